import { join } from 'node:path';
import { faultMutantsOn } from '@sessionkit/test-stores/faults';
import { single } from './store-harness.js';

faultMutantsOn(single, join(import.meta.dirname, 'faults-mutants-process.ts'));
