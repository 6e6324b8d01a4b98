import { describe, test } from 'vitest';
import { type ApiCase, feedCases } from './feed-cases.js';
import { feedMutants } from './feed-mutants.js';
import { fixture } from './fixture.js';
import { matrix } from './matrix.js';

describe('the event feed', () => {
  for (const one of feedCases) test(one.name, () => one.run(fixture));

  test(
    'each of this is needed: a feed that is broken in one way fails',
    () => matrix('event feed', feedCases satisfies readonly ApiCase[], feedMutants),
    120_000,
  );
});
