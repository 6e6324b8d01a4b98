import { type MeasuredStore, storeFacts } from '@sessionkit/testkit';
import { expect, it } from 'vitest';

/** Finds out what a store is to be chosen by, and compares it with `facts.json` beside the test file. */
export function factsOf(store: MeasuredStore): void {
  it('is what its facts say, of which the table of stores is made', async () => {
    const facts = await storeFacts(store);
    await expect(`${JSON.stringify(facts, undefined, 2)}\n`).toMatchFileSnapshot('facts.json');
  }, 300_000);
}
