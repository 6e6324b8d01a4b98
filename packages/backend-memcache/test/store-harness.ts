import { type Backend, processEnvironment } from '@sessionkit/session-core';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import type { Address, ConnectOptions, RunningStore, StoreHarness } from '@sessionkit/testkit';
import module from '../src/module.js';
import { DEFAULT_PREFIX } from '../src/options.js';
import resource from '../src/resource.js';
import { beside, valid } from './harness.js';

/** A backend as a configuration file makes it, on the servers at these addresses; closing it closes its clients. */
export async function connectTo(
  addresses: readonly Address[],
  {
    via = addresses,
    pool: size,
    deadline,
    environment = { ...processEnvironment, log: () => {} },
  }: ConnectOptions = {},
  options: object = {},
): Promise<Backend> {
  const section = {
    _class: 'memcache',
    ...(via.length === 1 ? via[0] : { servers: via }),
    ...(size === undefined ? {} : { pool_size: size }),
  };
  const clients = await resource.create(valid(resource, section), { environment, deadline });
  const config = valid(module, { type: 'memcache', resource: 'store', ...options });
  const context = { environment, path: 'session.backend', deadline, resource: () => clients };
  const backend = await module.create(config, context);
  const close = backend.close.bind(backend);
  let closed: Promise<void> | undefined;
  return Object.assign(backend, {
    close() {
      closed ??= close().then(() => resource.close(clients));
      return closed;
    },
  });
}

/** What the suites do to these servers. */
function running(servers: readonly MemcachedServer[]): RunningStore {
  const addresses = servers.map(({ host, port }) => ({ host, port }));
  const own = servers.map(({ server }) => {
    if (server === undefined) throw new Error('the suites need servers of their own');
    return server;
  });
  return {
    addresses,
    connect: (options) => connectTo(addresses, options),
    ...beside(servers, DEFAULT_PREFIX),
    saving: (id) => `cas ${DEFAULT_PREFIX}${id} `,
    async connections() {
      const stats = await Promise.all(servers.map((server) => server.stats()));
      // The one that asks is among them.
      return stats.reduce((sum, { curr_connections: count }) => sum + Number(count) - 1, 0);
    },
    async kill() {
      await Promise.all(own.map((server) => server.kill()));
    },
    async restart() {
      await Promise.all(own.map((server) => server.start()));
    },
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** A single memcached. */
export const single: StoreHarness = {
  name: 'memcached',
  pooled: true,
  forgets: true,
  start: async () => running([await startMemcached({ own: true })]),
};

/** Two, each with its share of the sessions. */
export const pair: StoreHarness = {
  name: 'two memcached',
  forgets: true,
  start: async () =>
    running(await Promise.all([startMemcached({ own: true }), startMemcached({ own: true })])),
};
