import { raceProcess } from '@sessionkit/test-stores/race-process';
import { mutants } from './races-mutants.js';
import { connectTo, single } from './store-harness.js';

// Waits as long as core does: lists are long here, and machines busy.
await raceProcess({ [single.name]: (addresses) => connectTo(addresses, { deadline: 30_000 }) }, mutants);
