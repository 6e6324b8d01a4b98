import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostileLine, hostileSuite } from '@sessionkit/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { hostileHarness } from './hostile.js';

const WITHIN = 300_000;
const LONG = process.env.SESSIONKIT_LONG === '1';

const odd = { sid: 'session "id"', ip: "o'clock %s", start: '__proto__', stop: ']] stop --' };

const runs = {
  memory: hostileHarness(),
  'memory, every name changed': hostileHarness(odd),
};

for (const [name, harness] of Object.entries(runs)) {
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
