import type { Backend, ConfigSchema, SessionId } from '@sessionkit/session-core';
import { processEnvironment } from '@sessionkit/session-core';
import { startRedis } from '@sessionkit/test-stores/redis';
import type { Address, ConnectOptions, StoreHarness } from '@sessionkit/testkit';
import module from '../src/module.js';
import resource from '../src/resource.js';

/** A backend as a configuration file makes it, on a resource of this section; closing it closes its client. */
export async function connectBy(
  section: object,
  { environment = { ...processEnvironment, log: () => {} }, deadline, durable = false }: ConnectOptions = {},
  options: object = {},
): Promise<Backend> {
  const client = await resource.create(valid(resource.config, { _class: 'redis', ...section }), {
    environment,
    deadline,
  });
  const context = { environment, path: 'session.backend', deadline, resource: () => client };
  const config = valid(module.config, { type: 'redis', resource: 'store', durable, ...options });
  const backend = await module.create(config, context);
  const close = backend.close.bind(backend);
  return Object.assign(backend, {
    async close() {
      await close();
      await resource.close(client);
    },
  });
}

/** A backend on the Redis at these addresses. */
export async function connectTo(
  addresses: readonly Address[],
  options: ConnectOptions = {},
): Promise<Backend> {
  const [at] = options.via ?? addresses;
  if (at === undefined) throw new Error('no address of the store');
  return connectBy({ url: `redis://${at.host}:${at.port}` }, options);
}

/** A single Redis that keeps what it has acknowledged. */
export const single: StoreHarness = {
  name: 'redis',
  async start() {
    const redis = await startRedis({ durable: true });
    const { server } = redis;
    if (server === undefined) throw new Error('the suites need a server of their own');
    const key = (id: SessionId) => `sessionkit:{${id}}`;
    const addresses = [{ host: '127.0.0.1', port: Number(new URL(redis.url).port) }];
    return {
      addresses,
      connect: (options) => connectTo(addresses, options),
      async peek(id) {
        const raw = await redis.ask('HGETALL', key(id));
        return raw.startsWith('*0') ? undefined : raw;
      },
      async corrupt(id) {
        await redis.ask('HSET', key(id), 'head', '[1,2');
      },
      async connections() {
        const [, count] = /^connected_clients:(\d+)/m.exec(await redis.ask('INFO', 'clients')) ?? [];
        // Who asks is one of them.
        return Number(count) - 1;
      },
      kill: () => server.kill(),
      restart: () => server.start(),
      stop: () => redis.stop(),
    };
  },
};

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
