import { join } from 'node:path';
import { racesOn } from '@sessionkit/test-stores/races';
import { pair } from './store-harness.js';

racesOn(pair, { program: join(import.meta.dirname, 'races-process.ts') });
