import { cluster, sentinel } from './many-harness.js';
import { racesOn } from './races.js';

for (const harness of [sentinel, cluster]) racesOn(harness, { mutant: false });
