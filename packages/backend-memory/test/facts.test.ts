import { storeFacts } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { memory } from '../src/index.js';

it('is what its facts say, of which the table of stores is made', async () => {
  const start = async () => ({ addresses: [], connect: async () => memory(), stop: async () => {} });
  const facts = await storeFacts({ name: 'the process itself', start });
  await expect(`${JSON.stringify(facts, undefined, 2)}\n`).toMatchFileSnapshot('facts.json');
});
