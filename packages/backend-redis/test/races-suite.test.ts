import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from '@sessionkit/test-stores/program';
import {
  FULL_SIZE,
  mutationMatrix,
  type RacePair,
  type RunningStore,
  raceCases,
  raceSuite,
  raceUpserting,
  raceWorkerHere,
  raceWorkerIn,
  runRaceCase,
  SHORT_SIZE,
} from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MutantName, mutantNames, mutantOf, UPSERTING } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

const LONG = process.env.SESSIONKIT_LONG === '1';
const size = LONG ? FULL_SIZE : SHORT_SIZE;
const WITHIN = LONG ? 300_000 : 60_000;

let store: RunningStore;
const pairs: RacePair[] = [];

function print(line: string): void {
  const folder = process.env.SESSIONKIT_REPORT_DIR;
  if (folder === undefined) console.log(line);
  else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
}

async function close(pair: RacePair | undefined): Promise<void> {
  await Promise.all([pair?.a.close(), pair?.b.close()]);
}

/** Two processes on the store. */
async function inProcesses(...mutant: readonly MutantName[]): Promise<RacePair> {
  const entry = join(import.meta.dirname, 'races-process.ts');
  const start = async () =>
    raceWorkerIn(await startProgram(entry, [JSON.stringify(store.addresses), ...mutant]));
  const [a, b] = await Promise.all([start(), start()]);
  pairs.push({ a, b });
  return { a, b };
}

/** Two of them in this process: enough for a mutant, which is caught all the same. */
async function inThis(mutant: MutantName | undefined): Promise<RacePair> {
  const make = () => (mutant === undefined ? connectTo(store.addresses) : mutantOf(mutant, store.addresses));
  return { a: raceWorkerHere(await make()), b: raceWorkerHere(await make()) };
}

beforeAll(async () => {
  store = await single.start();
}, 300_000);

afterAll(async () => {
  await Promise.all(pairs.map(close));
  await store.stop();
}, 60_000);

describe('two processes race on one Redis', () => {
  let processes: Promise<RacePair> | undefined;
  const pair = () => {
    processes ??= inProcesses();
    return processes;
  };
  for (const { name, run } of raceSuite({ store: single.name, pair, size, print })) it(name, run, WITHIN);

  it(
    'over the same adapter with a save that upserts changes are lost and ended sessions live again',
    () => raceUpserting({ store: single.name, pair: () => inProcesses(UPSERTING), size, print }),
    WITHIN,
  );
});

it('every race fails on an adapter with the rule taken out that it is about, and every such adapter fails a race', async () => {
  let made: { readonly mutant: MutantName | undefined; readonly pair: RacePair } | undefined;
  const report = await mutationMatrix(
    raceCases,
    mutantNames.map((name) => ({ name })),
    async (one, mutant) => {
      if (made === undefined || made.mutant !== mutant?.name) {
        await close(made?.pair);
        made = { mutant: mutant?.name, pair: await inThis(mutant?.name) };
      }
      await runRaceCase(one, made.pair, { visits: 400, revivals: 20, rounds: 3 });
    },
    60_000,
  );
  await close(made?.pair);
  expect(report).toMatchObject({ failing: [], uncaught: [], casesWithoutMutant: [] });
}, 300_000);
