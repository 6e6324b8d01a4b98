import type { Backend, ConfigSchema, SessionId } from '@sessionkit/session-core';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import {
  type BackendHarness,
  type OpenBackend,
  type TestEnvironment,
  testEnvironment,
} from '@sessionkit/testkit';
import { MemcacheClient } from 'memcache-client';
import { afterAll, beforeAll, expect } from 'vitest';
import { type MemcacheBackend, type MemcacheOptions, memcache } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';

export const signal = new AbortController().signal;

/** The smallest table of keys that a server has: a dump goes through all of it, and those of these suites are many. */
export const SMALL_TABLE = ['-o', 'hashpower=13'];

/** How a backend is made on these servers, and given back with all that it was made of. */
export type Maker = (
  servers: readonly MemcachedServer[],
  options: MemcacheOptions,
) => Promise<{ backend: Backend; close(): Promise<void> }>;

/** A client that the application has made. */
export function clientOf({ host, port }: Pick<MemcachedServer, 'host' | 'port'>, maxConnections = 10) {
  return new MemcacheClient({ server: { server: `${host}:${port}`, maxConnections }, noDelay: true });
}

export const inCode: Maker = async (servers, options) => {
  const clients = servers.map((server) => clientOf(server));
  const backend = memcache(clients, options);
  return {
    backend,
    close: async () => {
      await backend.close();
      for (const client of clients) client.shutdown();
    },
  };
};

interface Outcome {
  readonly value?: unknown;
  readonly issues?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
}

export const outcome = (module: { readonly config: ConfigSchema }, section: unknown) =>
  module.config['~standard'].validate(section) as Outcome;

/** A section as the schema of its module gives it out. */
export function valid<T>(module: { readonly config: ConfigSchema<T> }, section: unknown): T {
  const { value, issues } = outcome(module, section);
  expect(issues).toBeUndefined();
  return value as T;
}

/** As a configuration file makes it. */
export const withModule: Maker = async (servers, { names: { sid, ...fields } = {}, prefix }) => {
  const environment = { ...testEnvironment(), now: Date.now };
  const [only, another] = servers.map(({ host, port }) => ({ host, port }));
  const places =
    another === undefined ? only : { servers: servers.map(({ host, port }) => ({ host, port })) };
  const clients = await resource.create(valid(resource, { _class: 'memcache', ...places }), { environment });
  const section = { type: 'memcache', resource: 'store', sid_field: sid, fields, key_prefix: prefix };
  const context = { environment, path: 'session.backend', resource: () => clients };
  const backend = await module.create(valid(module, section), context);
  return {
    backend,
    close: async () => {
      await backend.close();
      await resource.close(clients);
    },
  };
};

let stores = 0;

/** Two backends on keys of their own, and a look at the raw reply for a key. */
export function memcacheHarness(
  servers: () => readonly MemcachedServer[],
  make: Maker,
  options: MemcacheOptions = {},
): BackendHarness {
  return {
    async open() {
      const prefix = `${options.prefix ?? 'kit'}-${process.pid}-${stores++}:`;
      const own = { ...options, prefix, log: () => {} };
      const [a, b] = [await make(servers(), own), await make(servers(), own)];
      return {
        a: a.backend,
        b: b.backend,
        ...beside(servers(), prefix),
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

/** What the suites ask beside two instances. */
export function beside(
  servers: readonly MemcachedServer[],
  prefix: string,
): Pick<OpenBackend, 'peek'> & { corrupt(id: SessionId): Promise<void> } {
  return {
    async peek(id) {
      const key = prefix + id;
      const raw = await Promise.all(servers.map((server) => server.ask(`get ${key} ${key}:seen`)));
      const found = raw.filter((each) => each !== 'END\r\n').join('');
      return found === '' ? undefined : found;
    },
    async corrupt(id) {
      await Promise.all(servers.map((server) => server.ask(`replace ${prefix}${id} 0 0 4`, '[1,2')));
    },
  };
}

export interface Own {
  readonly server: MemcachedServer;
  readonly client: MemcacheClient;
  /** Records of the present time; random bytes that no other test has. */
  readonly environment: TestEnvironment;
  backend(options?: MemcacheOptions): MemcacheBackend;
}

/** A server and a client for the tests of one file, for what a server that others use cannot be put through. */
export function ownServer(args: readonly string[] = []): () => Own {
  let own: Own | undefined;
  const backends: MemcacheBackend[] = [];
  beforeAll(async () => {
    const server = await startMemcached({ own: true, args });
    const client = clientOf(server);
    const environment = testEnvironment({ start: Date.now(), random: 'real' });
    own = {
      server,
      client,
      environment,
      backend(given) {
        const backend = memcache(client, { log: environment.log, ...given });
        backends.push(backend);
        return backend;
      },
    };
  }, 300_000);
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    own?.client.shutdown();
    await own?.server.stop();
  });
  return () => {
    if (own === undefined) throw new Error('the server has not been started');
    return own;
  };
}
