import type { Backend, SessionId } from '@sessionkit/session-core';
import { type RedisCluster, startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { givenCluster, givenSentinel } from '@sessionkit/test-stores/redis-given';
import { type RedisSentinel, startRedisSentinel } from '@sessionkit/test-stores/redis-sentinel';
import { due } from '@sessionkit/test-stores/run';
import { type BackendHarness, backendCases, backendSuite, runBackendCase } from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KIT_WRITE_WITHIN } from './harness.js';
import { clusterSection, sentinelSection } from './many-harness.js';
import { connectBy } from './store-harness.js';

interface Many {
  section(): object;
  ask(key: string, ...command: string[]): Promise<string>;
}

const [theirCluster, theirSentinel] = [givenCluster(), givenSentinel()];
let redisCluster: RedisCluster;
let redisSentinel: RedisSentinel;
beforeAll(async () => {
  if (theirCluster === undefined) redisCluster = await startRedisCluster();
  if (theirSentinel === undefined) redisSentinel = await startRedisSentinel();
}, 300_000);
afterAll(async () => {
  await Promise.all([redisCluster?.stop(), redisSentinel?.stop()]);
});

const inCluster: Many = {
  section: () => clusterSection(theirCluster ?? redisCluster),
  ask: (key, ...command) => theirCluster?.askFor(...command) ?? redisCluster.askFor(key, ...command),
};
const bySentinel: Many = {
  section: () => sentinelSection(theirSentinel ?? redisSentinel),
  ask: async (_, ...command) =>
    theirSentinel?.ask(...command) ?? (await redisSentinel.master()).ask(...command),
};

let stores = 0;

/** Two backends from configurations, on keys of their own. */
function harness({ section, ask }: Many, durable: boolean): BackendHarness {
  return {
    async open() {
      const prefix = `kit-${process.pid}-${stores++}:`;
      const open = (): Promise<Backend> =>
        connectBy(section(), { durable }, { key_prefix: prefix, write_within: KIT_WRITE_WITHIN / 1_000 });
      const [a, b] = await Promise.all([open(), open()]);
      const key = (id: SessionId) => `${prefix}{${id}}`;
      return {
        a,
        b,
        async peek(id) {
          const raw = await ask(key(id), 'HGETALL', key(id));
          return raw.startsWith('*0') ? undefined : raw;
        },
        async corrupt(id) {
          await ask(key(id), 'HSET', key(id), 'head', '[1,2');
        },
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

const ways: Record<string, BackendHarness> = {
  'in a Cluster': harness(inCluster, false),
  'behind Sentinel': harness(bySentinel, false),
  'in a Cluster, durably': harness(inCluster, true),
  'behind Sentinel, durably': harness(bySentinel, true),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = ['in a Cluster, durably', 'behind Sentinel, durably'];

describe.each(due(ways, LATER))(
  'the redis backend from a configuration %s keeps the contract of a backend',
  (_, way) => {
    it('has all abilities but fences, so that every case applies', async () => {
      expect(await backendSuite(way)).toHaveLength(backendCases.length);
    });

    for (const one of backendCases) it(one.name, () => runBackendCase(one, way), 30_000);
  },
);
