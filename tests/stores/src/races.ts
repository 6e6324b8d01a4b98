import type { Backend, Millis } from '@sessionkit/session-core';
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
  type StoreHarness,
} from '@sessionkit/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram } from './program.js';
import type { RaceMutants } from './race-mutants.js';
import { raceArguments } from './race-process.js';
import { LONG, print } from './run.js';

const WITHIN = LONG ? 300_000 : 60_000;
const START = 300_000;
/** Enough for a mutant, which is caught all the same. */
const SMALL = { visits: 200, revivals: 20, rounds: 3 };

interface Races<Name extends string> {
  /** Path of the program that each of the two processes runs; it calls `raceProcess`. */
  readonly program: string;
  /** Left out where the adapter's mutants, which are made for a single server, cannot run. */
  readonly mutants?: RaceMutants<Name> | undefined;
  /** Whether each race is run over the adapter without its rule. Default: with `mutants`. */
  readonly everyRule?: boolean | undefined;
  /** How long the sound backend beside the mutants may wait for its store. Left out: as long as core waits by default. */
  readonly deadline?: Millis | undefined;
}

/**
 * The races of two processes on such a store, started for the tests of one file. With `mutants` also those over the adapter that upserts, and each race over the adapter without
 * the rule that it is about.
 */
export function racesOn<Name extends string>(
  harness: StoreHarness,
  { program, mutants, everyRule = mutants !== undefined, deadline }: Races<Name>,
): void {
  let store: RunningStore | undefined;
  const pairs: RacePair[] = [];
  const running = () => {
    if (store === undefined) throw new Error('the store has not been started');
    return store;
  };

  async function inProcesses(mutant?: Name): Promise<RacePair> {
    const args = raceArguments(harness.name, running().addresses, mutant);
    const start = async () => raceWorkerIn(await startProgram(program, args));
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
    if (mutants === undefined) return;
    it(
      'over the same adapter with a save that upserts changes are lost and ended sessions live again',
      () => raceUpserting({ ...options, pair: () => inProcesses(mutants.upserting) }),
      WITHIN,
    );
  });

  if (mutants === undefined || !everyRule) return;
  it(
    'every race fails on an adapter with the rule taken out that it is about, and every such adapter fails a race',
    () => everyRuleIsRaced(mutants, running(), deadline),
    START,
  );
}

async function everyRuleIsRaced<Name extends string>(
  mutants: RaceMutants<Name>,
  store: RunningStore,
  deadline: Millis | undefined,
): Promise<void> {
  const made = async (mutant: Name | undefined) => ({
    mutant,
    pair: await pairHere(() =>
      mutant === undefined ? store.connect({ deadline }) : mutants.make(mutant, store.addresses),
    ),
  });
  let present = await made(undefined);
  const abilities = await present.pair.a.abilities();
  const report = await mutationMatrix(
    raceCases.filter((one) => (one.abilities ?? []).every((ability) => abilities.includes(ability))),
    mutants.names.map((name) => ({ name })),
    async (one, mutant) => {
      if (present.mutant !== mutant?.name) {
        await close(present.pair);
        present = await made(mutant?.name);
      }
      // Whether two processes meet is chance: a broken adapter has three tries to be caught, a sound one holds in each of its runs.
      for (let tries = mutant === undefined ? 1 : 3; tries > 0; tries--)
        await runRaceCase(one, present.pair, SMALL);
    },
    60_000,
    // They share a pair, and each leaves it empty.
    1,
  );
  await close(present.pair);
  expect(report).toMatchObject({ failing: [], uncaught: [], casesWithoutMutant: [] });
}

/** Two in this process, in which a mutant is caught as well. */
async function pairHere(make: () => Promise<Backend>): Promise<RacePair> {
  return { a: raceWorkerHere(await make()), b: raceWorkerHere(await make()) };
}

async function close(pair: RacePair): Promise<void> {
  await Promise.all([pair.a.close(), pair.b.close()]);
}
