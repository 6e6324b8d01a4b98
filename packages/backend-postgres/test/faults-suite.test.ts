import { faultsOn } from '@sessionkit/test-stores/faults';
import { single } from './store-harness.js';

await faultsOn(single);
