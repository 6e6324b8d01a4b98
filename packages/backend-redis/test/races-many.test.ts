import { join } from 'node:path';
import { racesOn } from '@sessionkit/test-stores/races';
import { cluster, sentinel } from './many-harness.js';

const program = join(import.meta.dirname, 'races-process.ts');
for (const harness of [sentinel, cluster]) racesOn(harness, { program });
