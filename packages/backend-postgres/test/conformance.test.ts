import { can, processEnvironment } from '@sessionkit/session-core';
import { type BackendHarness, backendSuite } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import type { PostgresBackend, TableOptions } from '../src/index.js';
import module from '../src/module.js';
import { COLUMNS, type Column } from '../src/options.js';
import resource from '../src/resource.js';
import { awkward, emptied, type Place, startPlace, valid } from './store.js';

const place = await startPlace();
const environment = { ...processEnvironment, log: () => {} };

/** Two instances as two processes have them, in tables that were emptied. */
function harnessOf(
  place: Place,
  options: TableOptions,
  makers: readonly (() => Promise<PostgresBackend> | PostgresBackend)[],
): BackendHarness {
  return {
    async open() {
      const [a, b] = await Promise.all(makers.map((make) => make()));
      if (a === undefined || b === undefined) expect.fail('two are needed');
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

/** Through the code entry, on a pool that the caller made. */
function inCode(options: TableOptions) {
  return [place.pool(), place.pool()].map((pool) => () => place.backend({ ...options, pool }));
}

/** Through the modules that a YAML file names. */
function inYaml(section: object) {
  const { hostname: host, port, username: user, pathname } = new URL(place.url);
  const server = { host, port: Number(port), user, database: pathname.slice(1) };
  const { schema } = place;
  const config = { type: 'postgres', resource: 'db', schema, create_table: true, ...section };
  return [1, 2].map(() => {
    const pool = resource.create(valid(resource, { _class: 'postgres', server }), { environment });
    place.atEnd(() => resource.close(pool));
    const context = { environment, path: 'session.backend', resource: () => pool };
    return () => module.create(valid(module, config), context) as Promise<PostgresBackend>;
  });
}

const columns = (Object.keys(COLUMNS) as Column[]).filter((column) => column !== 'sid');
const renamed = {
  table: awkward('sessions'),
  names: Object.fromEntries([...columns, 'sid'].map((column) => [column, awkward(column)])),
};
const renamedInYaml = {
  table: renamed.table,
  sid_field: renamed.names.sid,
  fields: Object.fromEntries(
    columns.map((column) => [
      column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      renamed.names[column],
    ]),
  ),
};

const runs = {
  'in code': harnessOf(place, {}, inCode({})),
  'from YAML, with the table of another name': harnessOf(
    place,
    { table: 'others' },
    inYaml({ table: 'others' }),
  ),
  'from YAML, with every name changed to one that needs quoting': harnessOf(
    place,
    renamed,
    inYaml(renamedInYaml),
  ),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = new Set(['from YAML, with the table of another name']);
const now = ([way]: readonly [string, unknown]) => process.env.SESSIONKIT_LONG === '1' || !LATER.has(way);

for (const [what, harness] of Object.entries(runs).filter(now)) {
  const tests = await backendSuite(harness);
  describe(`the postgres backend ${what} keeps the contract of a backend`, () => {
    for (const { name, run } of tests) it(name, run);
  });
}

it('the module says what the backend can', async () => {
  const backend = place.backend();
  for (const ability of module.abilities) expect(can(backend, ability), ability).toBe(true);
  expect(module.abilities).toHaveLength(6);
  expect(can(backend, 'fences')).toBe(false);
});
