import { type Address, raceWorker } from '@sessionkit/testkit';
import { type MutantName, mutantOf } from './races-mutants.js';
import { connectTo } from './store-harness.js';

await raceWorker(([addresses = '[]', mutant = '']) => {
  const at = JSON.parse(addresses) as Address[];
  return mutant === '' ? connectTo(at) : mutantOf(mutant as MutantName, at);
});
