import { raceProcess } from '@sessionkit/test-stores/race-process';
import { mutants } from './races-mutants.js';
import { connectTo, pair, single } from './store-harness.js';

await raceProcess({ [single.name]: connectTo, [pair.name]: connectTo }, mutants);
