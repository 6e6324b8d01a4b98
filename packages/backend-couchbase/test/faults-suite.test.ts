import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultSuite } from '@sessionkit/testkit';
import { afterAll, describe, it } from 'vitest';
import { single } from './store-harness.js';

const WITHIN = 120_000;
const full = process.env.SESSIONKIT_LONG === '1';
// The SDK waits for as long as it may where nobody is there, so that most of this is waiting.
const suite = await faultSuite(single, { full, ...(full ? {} : { deadline: 1_500 }) });

describe(`${single.name} under faults`, () => {
  for (const { name, run } of suite.cases) it(name, run, WITHIN);
});

afterAll(async () => {
  await suite.close();
  const lines = suite.report().join('\n');
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(lines);
  else appendFileSync(join(folder, 'summary.txt'), `${lines}\n`);
}, WITHIN);
