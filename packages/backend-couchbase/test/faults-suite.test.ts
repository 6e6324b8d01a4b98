import { faultsOn } from '@sessionkit/test-stores/faults';
import { LONG } from '@sessionkit/test-stores/run';
import { storeOf } from './store-harness.js';

/** What a node has acknowledged at a lower level it may have in memory only when it is killed. */
const store = storeOf({ durable: 'majority_and_persist_to_active' });

// The SDK waits for as long as it may where nobody is there, so that most of this is waiting.
await faultsOn(store, LONG ? {} : { deadline: 1_500 });
