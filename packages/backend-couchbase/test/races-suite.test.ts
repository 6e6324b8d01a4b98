import { join } from 'node:path';
import { racesOn } from '@sessionkit/test-stores/races';
import { LONG } from '@sessionkit/test-stores/run';
import { mutants } from './races-mutants.js';
import { single } from './store-harness.js';

racesOn(single, {
  program: join(import.meta.dirname, 'races-process.ts'),
  mutants,
  everyRule: LONG,
  deadline: 30_000,
});
