import { backendSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import { memoryHarness } from './harness.js';

const tests = await backendSuite(memoryHarness);

describe('the memory backend keeps the contract of a backend', () => {
  for (const { name, run } of tests) it(name, run);
});
