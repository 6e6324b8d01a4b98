import { faultsOn } from '@sessionkit/test-stores/faults';
import { cluster, sentinel } from './many-harness.js';

for (const harness of [sentinel, cluster]) await faultsOn(harness, { within: 180_000 });
