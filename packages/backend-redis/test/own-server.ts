import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { type RedisBackend, type RedisOptions, redis } from '../src/index.js';
import { ioredisClient } from './harness.js';

export interface Own {
  readonly server: RedisServer;
  readonly client: Redis;
  /** Records of the present time; random bytes that no other test has. */
  readonly environment: TestEnvironment;
  backend(options?: RedisOptions): RedisBackend;
}

/** A server and a client for the tests of one file, for what a server that others use cannot be put through. */
export function ownServer(options: Parameters<typeof startRedis>[0] = { args: [] }): () => Own {
  let own: Own | undefined;
  const backends: RedisBackend[] = [];
  beforeAll(async () => {
    const server = await startRedis(options);
    const client = await ioredisClient(server.url);
    const environment = testEnvironment({ start: Date.now(), random: 'real' });
    own = {
      server,
      client,
      environment,
      backend(given) {
        const backend = redis(client, { log: environment.log, ...given });
        backends.push(backend);
        return backend;
      },
    };
  }, 300_000);
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    own?.client.disconnect();
    await own?.server.stop();
  });
  return () => {
    if (own === undefined) throw new Error('the server has not been started');
    return own;
  };
}
