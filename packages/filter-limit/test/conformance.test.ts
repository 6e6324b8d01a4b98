import { filterSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import { limit } from '../src/index.js';

describe('conformance', () => {
  const create = ({ now }: { now(): number }) =>
    limit({ rate: { requests: 1_000, per: 60_000 }, concurrency: 50, now });
  for (const { name, run } of filterSuite({ create })) it(name, run, 30_000);
});
