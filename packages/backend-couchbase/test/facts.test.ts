import { storeFacts } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { single } from './store-harness.js';

it('is what its facts say, of which the table of stores is made', async () => {
  const facts = await storeFacts(single);
  await expect(`${JSON.stringify(facts, undefined, 2)}\n`).toMatchFileSnapshot('facts.json');
}, 300_000);
