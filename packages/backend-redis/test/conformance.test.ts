import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { type BackendHarness, backendCases, backendSuite, runBackendCase } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisHarness, withIoredis, withModule, withNodeRedis } from './harness.js';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
}, 300_000);
afterAll(() => server.stop());

const names = {
  sid: 'session "id"',
  user: "o'clock user",
  service: 'service\\',
  ip: 'ip %s $1 :x',
  start: 'start\nof it',
  stop: ']] stop --',
  data: 'data 東京',
  seen: 'seen;',
  epoch: '__proto__',
  kill: 'kill ',
  ended: '0',
  head: '*',
};
const options = { names, prefix: 'other * [a-z]? "prefix" ' };

const ways: Record<string, BackendHarness> = {
  'with ioredis': redisHarness(() => server, withIoredis),
  'with node-redis': redisHarness(() => server, withNodeRedis),
  'from a configuration': redisHarness(() => server, withModule),
  'with every name changed': redisHarness(() => server, withIoredis, options),
  'from a configuration with every name changed': redisHarness(() => server, withModule, options),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = new Set(['from a configuration', 'with every name changed']);
const now = ([way]: readonly [string, unknown]) => process.env.SESSIONKIT_LONG === '1' || !LATER.has(way);

describe.each(Object.entries(ways).filter(now))(
  'the redis backend %s keeps the contract of a backend',
  (_, harness) => {
    it('has all abilities but fences, so that every case applies', async () => {
      expect(await backendSuite(harness)).toHaveLength(backendCases.length);
    });

    for (const one of backendCases) it(one.name, () => runBackendCase(one, harness), 30_000);
  },
);
