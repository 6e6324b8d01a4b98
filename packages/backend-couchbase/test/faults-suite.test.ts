import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultSuite } from '@sessionkit/testkit';
import { afterAll, describe, it } from 'vitest';
import { storeOf } from './store-harness.js';

const WITHIN = 120_000;
/** What a node has acknowledged at a lower level it may have in memory only when it is killed. */
const store = storeOf({ durable: 'majority_and_persist_to_active' });
const full = process.env.SESSIONKIT_LONG === '1';
// The SDK waits for as long as it may where nobody is there, so that most of this is waiting.
const suite = await faultSuite(store, { full, ...(full ? {} : { deadline: 1_500 }) });

describe(`${store.name} under faults`, () => {
  for (const { name, run } of suite.cases) it(name, run, WITHIN);
});

afterAll(async () => {
  await suite.close();
  const lines = suite.report().join('\n');
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(lines);
  else appendFileSync(join(folder, 'summary.txt'), `${lines}\n`);
}, WITHIN);
