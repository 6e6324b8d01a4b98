import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { FULL_SIZE, raceSuite, raceWorkerHere, SHORT_SIZE } from '@sessionkit/testkit';
import { afterAll, describe, it } from 'vitest';
import { memory } from '../src/index.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const size = LONG ? FULL_SIZE : SHORT_SIZE;

function print(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

const store = memory({ log: () => {} });
const pair = { a: raceWorkerHere(store), b: raceWorkerHere(store.share()) };
afterAll(() => Promise.all([pair.a.close(), pair.b.close()]));

describe('two managers in one process race on the memory backend', () => {
  const races = raceSuite({ store: 'memory, one process', pair: async () => pair, size, print });
  for (const { name, run } of races) it(name, run, LONG ? 120_000 : 30_000);
});
