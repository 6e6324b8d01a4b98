import { filterSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import { cache } from '../src/index.js';

describe('conformance', () => {
  const create = ({ now }: { now(): number }) => cache({ total: { bytes: 4_194_304 }, now });
  for (const { name, run } of filterSuite({ create })) it(name, run, 30_000);
});
