import { type Address, raceWorker } from '@sessionkit/testkit';
import { type MutantName, mutantOf } from './races-mutants.js';
import { connectTo, pair, single } from './store-harness.js';

/** How a backend is made for each store, by the name of its harness. */
const WAYS: Readonly<Record<string, typeof connectTo>> = { [single.name]: connectTo, [pair.name]: connectTo };

await raceWorker(([name = '', addresses = '[]', mutant = '']) => {
  const connect = WAYS[name];
  if (connect === undefined) throw new Error(`no way to connect to ${name}`);
  const at = JSON.parse(addresses) as Address[];
  return mutant === '' ? connect(at) : mutantOf(mutant as MutantName, at);
});
