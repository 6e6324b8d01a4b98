import { type Address, raceWorker } from '@sessionkit/testkit';
import { type MutantName, mutantOf } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

/** How a backend is made for each store, by the name of its harness. */
const WAYS: Readonly<Record<string, typeof connectTo>> = { [single.name]: connectTo };

await raceWorker(([name = '', addresses = '[]', mutant = '']) => {
  const connect = WAYS[name];
  if (connect === undefined) throw new Error(`no way to connect to ${name}`);
  const at = JSON.parse(addresses) as Address[];
  // Waits as long as core does: lists are long here, and machines busy.
  return mutant === '' ? connect(at, { deadline: 30_000 }) : mutantOf(mutant as MutantName, at);
});
