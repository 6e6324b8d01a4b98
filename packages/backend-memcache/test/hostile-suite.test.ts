import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { hostileLine, hostileSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { SMALL_TABLE } from './harness.js';
import { hostileHarness } from './hostile.js';
import { connectTo } from './store-harness.js';

const WITHIN = 300_000;
const LONG = process.env.SESSIONKIT_LONG === '1';
const server = await startMemcached({ args: SMALL_TABLE });
afterAll(() => server.stop(), WITHIN);

const place = {
  server,
  open: (options: object) => connectTo([{ host: server.host, port: server.port }], {}, options),
};
const odd = {
  sid: 'session "id"',
  user: "o'clock user",
  service: 'service\\',
  ip: 'ip %s $1 :x',
  start: 'start\nof it',
  stop: ']] stop --',
  ended: '__proto__',
  head: '0',
};
const runs = {
  // A list costs a dump of all keys, and each damage some ten lists: usually not every one is tried.
  memcached: hostileHarness(place, { each: LONG ? 1 : 2 }),
  'memcached, every name changed': hostileHarness(place, {
    names: odd,
    start: 'other*[a-z]?"prefix"%20{}',
    each: LONG ? 1 : 5,
  }),
};

/** Run by `npm run test:long` only: what they show beyond the others is little, and each takes its time. */
const LATER = new Set(['memcached, every name changed']);

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
