import { type BackendHarness, backendSuite } from '@sessionkit/testkit';
import { describe, it } from 'vitest';
import type { PostgresBackend, TableOptions } from '../src/index.js';
import { COLUMNS, type Column } from '../src/options.js';
import { awkward, emptied, type Place, startPlace } from './store.js';

const place = await startPlace();

/** Two instances with pools of their own, in tables that were emptied. */
function harnessOf(place: Place, options: TableOptions): BackendHarness {
  const pools = [place.pool(), place.pool()] as const;
  return {
    async open() {
      const [a, b] = pools.map((pool) => place.backend({ ...options, pool })) as [
        PostgresBackend,
        PostgresBackend,
      ];
      await a.check();
      const beside = await emptied(place, options);
      return {
        a,
        b,
        ...beside,
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}

const renamed: TableOptions = {
  table: awkward('sessions'),
  names: Object.fromEntries((Object.keys(COLUMNS) as Column[]).map((column) => [column, awkward(column)])),
};

for (const [what, options] of Object.entries({ 'the usual names': {}, 'names that need quoting': renamed })) {
  const tests = await backendSuite(harnessOf(place, options));
  describe(`the postgres backend keeps the contract of a backend, with ${what}`, () => {
    for (const { name, run } of tests) it(name, run);
  });
}
