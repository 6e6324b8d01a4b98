import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { storeFacts } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { single } from './store-harness.js';

const FILE = 'facts.json';

it('is what its facts say, of which the table of stores is made', async () => {
  const facts = await storeFacts(single);
  if (process.env.COUCHBASE_URL === undefined) {
    await expect(`${JSON.stringify(facts, undefined, 2)}\n`).toMatchFileSnapshot(FILE);
    return;
  }
  // The table tells of the double. A list asks every partition, 64 at a time, and a cluster has more of them.
  const told = JSON.parse(readFileSync(join(import.meta.dirname, FILE), 'utf8'));
  const { list } = facts.roundTrips;
  console.log(`${single.name}: a page of a list is ${list} round trips`);
  expect(list).toBeGreaterThanOrEqual(told.roundTrips.list);
  expect(facts).toEqual({
    ...told,
    provedOn: single.name,
    roundTrips: { ...told.roundTrips, list },
  });
}, 300_000);
