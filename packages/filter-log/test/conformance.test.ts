import { filterSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import { log } from '../src/index.js';

describe('conformance', () => {
  for (const { name, run } of filterSuite({ create: () => log() })) it(name, run, 30_000);
});
