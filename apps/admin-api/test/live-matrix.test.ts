import { describe, test } from 'vitest';
import { fixture } from './fixture.js';
import { liveCases } from './live-cases.js';
import { liveMutants } from './live-mutants.js';
import { matrix } from './matrix.js';

describe('documents of live sessions', () => {
  for (const one of liveCases) test(one.name, () => one.run(fixture));

  test(
    'each of this is needed: documents that are broken in one way fail',
    () => matrix('live documents', liveCases, liveMutants),
    120_000,
  );
});
