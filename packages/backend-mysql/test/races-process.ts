import { raceProcess } from '@sessionkit/test-stores/race-process';
import { mutants } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

await raceProcess({ [single.name]: connectTo }, mutants);
