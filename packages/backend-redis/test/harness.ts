import type { Backend, SessionId } from '@sessionkit/session-core';
import type { RedisServer } from '@sessionkit/test-stores/redis';
import { type BackendHarness, testEnvironment } from '@sessionkit/testkit';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { type RedisOptions, redis } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';

export const signal = new AbortController().signal;

/** How a backend is made on a server, and given back with all that it was made of. */
export type Maker = (
  url: string,
  options: RedisOptions,
) => Promise<{ backend: Backend; close(): Promise<void> }>;

export const ioredisOptions = {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  lazyConnect: true,
} as const;

export async function ioredisClient(url: string): Promise<Redis> {
  const client = new Redis(url, ioredisOptions);
  // A server that goes down is what some tests are about; the calls tell.
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function nodeRedisClient(url: string) {
  const client = createClient({ url, disableOfflineQueue: true });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export const withIoredis: Maker = async (url, options) => {
  const client = await ioredisClient(url);
  const backend = redis(client, options);
  return {
    backend,
    close: async () => {
      await backend.close();
      client.disconnect();
    },
  };
};

export const withNodeRedis: Maker = async (url, options) => {
  const client = await nodeRedisClient(url);
  const backend = redis(client, options);
  return {
    backend,
    close: async () => {
      await backend.close();
      client.destroy();
    },
  };
};

interface Validated {
  readonly value?: unknown;
  readonly issues?: unknown;
}

export function validated<Config>(
  schema: { readonly '~standard': { readonly validate: (value: unknown) => unknown } },
  section: object,
): Config {
  const { value, issues } = schema['~standard'].validate(section) as Validated;
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}

/** As a configuration file makes it. */
export const withModule: Maker = async (url, { names: { sid, ...fields } = {}, prefix }) => {
  const environment = { ...testEnvironment(), now: Date.now };
  const client = await resource.create(validated(resource.config, { _class: 'redis', url }), { environment });
  const section = {
    type: 'redis',
    resource: 'store',
    sid_field: sid,
    fields,
    key_prefix: prefix,
    write_within: KIT_WRITE_WITHIN / 1_000,
  };
  const backend = await module.create(validated(module.config, section), {
    environment,
    path: 'session.backend',
    resource: () => client,
  });
  return {
    backend,
    close: async () => {
      await backend.close();
      await resource.close(client);
    },
  };
};

/** The kit is not about time: where others use the machine, 500 saves at once take longer than a store deadline. */
export const KIT_WRITE_WITHIN = 10_000;

let stores = 0;

/** Two backends on keys of their own, and a look at the raw reply for a key. */
export function redisHarness(
  server: () => RedisServer,
  make: Maker,
  options: RedisOptions = {},
): BackendHarness {
  return {
    async open() {
      const prefix = `${options.prefix ?? 'kit'}-${process.pid}-${stores++}:`;
      const log = () => {};
      const [a, b] = [
        await make(server().url, { writeWithin: KIT_WRITE_WITHIN, ...options, prefix, log }),
        await make(server().url, { writeWithin: KIT_WRITE_WITHIN, ...options, prefix, log }),
      ];
      const key = (id: SessionId) => `${prefix}{${id}}`;
      return {
        a: a.backend,
        b: b.backend,
        async peek(id) {
          const raw = await server().ask('HGETALL', key(id));
          return raw.startsWith('*0') ? undefined : raw;
        },
        async corrupt(id) {
          await server().ask('HSET', key(id), options.names?.head ?? 'head', '[1,2');
        },
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}
