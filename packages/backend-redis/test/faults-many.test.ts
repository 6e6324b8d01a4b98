import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultSuite } from '@sessionkit/testkit';
import { afterAll, describe, it } from 'vitest';
import { cluster, sentinel } from './many-harness.js';

const WITHIN = 180_000;

for (const harness of [sentinel, cluster]) {
  const suite = await faultSuite(harness, { full: process.env.SESSIONKIT_LONG === '1' });

  describe(`${harness.name} under faults`, () => {
    for (const { name, run } of suite.cases) it(name, run, WITHIN);

    afterAll(async () => {
      await suite.close();
      const lines = suite.report().join('\n');
      const folder = process.env.SESSIONKIT_REPORT_DIR;
      if (folder === undefined) console.log(lines);
      else appendFileSync(join(folder, 'summary.txt'), `${lines}\n`);
    }, WITHIN);
  });
}
