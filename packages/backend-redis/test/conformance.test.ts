import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { due } from '@sessionkit/test-stores/run';
import { type BackendHarness, backendCases, backendSuite, runBackendCase } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisHarness, withIoredis, withModule, withNodeRedis } from './harness.js';
import { ODD_NAMES } from './hostile.js';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
}, 300_000);
afterAll(() => server.stop());

const options = { names: ODD_NAMES, prefix: 'other * [a-z]? "prefix" ' };

const ways: Record<string, BackendHarness> = {
  'with ioredis': redisHarness(() => server, withIoredis),
  'with node-redis': redisHarness(() => server, withNodeRedis),
  'from a configuration': redisHarness(() => server, withModule),
  'with every name changed': redisHarness(() => server, withIoredis, options),
  'from a configuration with every name changed': redisHarness(() => server, withModule, options),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = ['from a configuration', 'with every name changed'];

describe.each(due(ways, LATER))('the redis backend %s keeps the contract of a backend', (_, harness) => {
  it('has all abilities but fences, so that every case applies', async () => {
    expect(await backendSuite(harness)).toHaveLength(backendCases.length);
  });

  for (const one of backendCases) it(one.name, () => runBackendCase(one, harness), 30_000);
});
