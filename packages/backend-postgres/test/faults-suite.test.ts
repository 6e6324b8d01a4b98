import { faultsOn } from '@sessionkit/test-stores/faults';
import { LONG } from '@sessionkit/test-stores/run';
import { pair, single } from './store-harness.js';

await faultsOn(single);
// Of a primary and its standby what a single server has not; what a fail-over loses is in `durable.test.ts` for every day.
if (LONG) await faultsOn(pair, { only: (name) => name.startsWith('a fail-over') });
