import { mutationMatrix, type RacePair, raceCases, raceWorkerHere, runRaceCase } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { close, racesOn } from './races.js';
import { type MutantName, mutantNames, mutantOf } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

const store = racesOn(single, { mutant: true });

/** Two in this process: enough for a mutant, which is caught all the same. */
async function inThis(mutant: MutantName | undefined): Promise<RacePair> {
  const { addresses } = store();
  const make = () =>
    mutant === undefined ? connectTo(addresses, { deadline: 30_000 }) : mutantOf(mutant, addresses);
  return { a: raceWorkerHere(await make()), b: raceWorkerHere(await make()) };
}

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
      // Whether two processes meet is chance: a broken adapter has three tries to be caught, a sound one holds in each of its runs.
      for (let tries = mutant === undefined ? 1 : 3; tries > 0; tries--)
        await runRaceCase(one, made.pair, { visits: 200, revivals: 20, rounds: 3 });
    },
    60_000,
    // They share a pair, and each leaves it empty.
    1,
  );
  await close(made?.pair);
  expect(report).toMatchObject({ failing: [], uncaught: [], casesWithoutMutant: [] });
}, 300_000);
