import { hostileOn } from '@sessionkit/test-stores/hostile';
import { startRedis } from '@sessionkit/test-stores/redis';
import { startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { startRedisSentinel } from '@sessionkit/test-stores/redis-sentinel';
import { afterAll } from 'vitest';
import { hostileHarness, ODD_NAMES, type Place } from './hostile.js';
import { clusterSection, sentinelSection } from './many-harness.js';
import { connectBy } from './store-harness.js';

const [server, watched, cluster] = await Promise.all([
  startRedis(),
  startRedisSentinel(),
  startRedisCluster(),
]);
afterAll(async () => {
  await Promise.all([server.stop(), watched.stop(), cluster.stop()]);
}, 300_000);

const single: Place = {
  open: (options) => connectBy({ url: server.url }, {}, options),
  ask: (_, ...command) => server.ask(...command),
};
const bySentinel: Place = {
  open: (options) => connectBy(sentinelSection(watched), {}, options),
  ask: async (_, ...command) => (await watched.master()).ask(...command),
};
const inCluster: Place = {
  open: (options) => connectBy(clusterSection(cluster), {}, options),
  ask: (key, ...command) => cluster.askFor(key, ...command),
};

const runs = {
  redis: hostileHarness(single),
  'redis, every name changed': hostileHarness(single, ODD_NAMES, 'other * [a-z]? "prefix" '),
  'redis sentinel': hostileHarness(bySentinel),
  'redis cluster': hostileHarness(inCluster),
};

await hostileOn(runs, { later: ['redis, every name changed', 'redis sentinel', 'redis cluster'] });
