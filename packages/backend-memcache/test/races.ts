import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from '@sessionkit/test-stores/program';
import {
  FULL_SIZE,
  type RacePair,
  type RunningStore,
  raceSuite,
  raceUpserting,
  raceWorkerIn,
  SHORT_SIZE,
  type StoreHarness,
} from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { UPSERTING } from './races-mutants.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const WITHIN = LONG ? 300_000 : 60_000;
const START = 300_000;

function print(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

export async function close(pair: RacePair | undefined): Promise<void> {
  await Promise.all([pair?.a.close(), pair?.b.close()]);
}

/**
 * The races of two processes on such a store, started for the tests of one file. With `mutant` also those over the adapter that upserts, which is made for a single
 * server.
 */
export function racesOn(harness: StoreHarness, { mutant }: { readonly mutant: boolean }): () => RunningStore {
  let store: RunningStore | undefined;
  const pairs: RacePair[] = [];
  const running = () => {
    if (store === undefined) throw new Error('the store has not been started');
    return store;
  };

  async function inProcesses(...broken: readonly string[]): Promise<RacePair> {
    const entry = join(import.meta.dirname, 'races-process.ts');
    const args = [harness.name, JSON.stringify(running().addresses), ...broken];
    const start = async () => raceWorkerIn(await startProgram(entry, args));
    const [a, b] = await Promise.all([start(), start()]);
    pairs.push({ a, b });
    return { a, b };
  }

  beforeAll(async () => {
    store = await harness.start();
  }, START);
  afterAll(async () => {
    await Promise.all(pairs.map(close));
    await store?.stop();
  }, START);

  describe(`two processes race on ${harness.name}`, () => {
    let processes: Promise<RacePair> | undefined;
    const pair = () => {
      processes ??= inProcesses();
      return processes;
    };
    const options = { store: harness.name, size: LONG ? FULL_SIZE : SHORT_SIZE, print };
    for (const { name, run } of raceSuite({ ...options, pair })) it(name, run, WITHIN);
    if (!mutant) return;
    it(
      'over the same adapter with a save that upserts changes are lost and ended sessions live again',
      () => raceUpserting({ ...options, pair: () => inProcesses(UPSERTING) }),
      WITHIN,
    );
  });
  return running;
}
