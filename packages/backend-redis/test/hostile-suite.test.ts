import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRedis } from '@sessionkit/test-stores/redis';
import { startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { startRedisSentinel } from '@sessionkit/test-stores/redis-sentinel';
import { hostileLine, hostileSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { hostileHarness, type Place } from './hostile.js';
import { clusterSection, sentinelSection } from './many-harness.js';
import { connectBy } from './store-harness.js';

const WITHIN = 300_000;
const LONG = process.env.SESSIONKIT_LONG === '1';
const [server, watched, cluster] = await Promise.all([
  startRedis(),
  startRedisSentinel(),
  startRedisCluster(),
]);
afterAll(async () => {
  await Promise.all([server.stop(), watched.stop(), cluster.stop()]);
}, WITHIN);

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

const odd = {
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

const runs = {
  redis: hostileHarness(single),
  'redis, every name changed': hostileHarness(single, odd, 'other * [a-z]? "prefix" '),
  'redis sentinel': hostileHarness(bySentinel),
  'redis cluster': hostileHarness(inCluster),
};

/** Run by `npm run test:long` only: what they show beyond the others is little, and each takes its time. */
const LATER = new Set(['redis, every name changed', 'redis sentinel', 'redis cluster']);

for (const [name, harness] of Object.entries(runs)) {
  if (!LONG && LATER.has(name)) continue;
  const { tests, tally } = await hostileSuite(harness, { steps: LONG ? 2_000 : 200, seed: name.length });

  describe(`${name}: hostile values are kept or refused, and harm nobody`, () => {
    for (const one of tests) it(one.name, one.run, WITHIN);

    afterAll(() => {
      expect(tally.changed).toBe(0);
      const line = hostileLine(name, tally);
      const folder = process.env.SESSIONKIT_REPORT_DIR;
      if (folder === undefined) console.log(line);
      else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
    });
  });
}
