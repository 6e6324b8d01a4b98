import { can, processEnvironment } from '@sessionkit/session-core';
import { due } from '@sessionkit/test-stores/run';
import { everyNameChanged, sqlHarness } from '@sessionkit/test-stores/sql';
import { backendSuite } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import type { MysqlBackend, TableOptions } from '../src/index.js';
import module from '../src/module.js';
import { COLUMNS } from '../src/options.js';
import resource from '../src/resource.js';
import { awkward, emptied, startPlace, valid } from './store.js';

const place = await startPlace();
const environment = { ...processEnvironment, log: () => {} };

/** Through the code entry, on a pool that the caller made. */
function inCode(options: TableOptions) {
  return [place.pool(), place.pool()].map((pool) => () => place.backend({ ...options, pool }));
}

/** Through the modules that a YAML file names. */
function inYaml(section: object) {
  const { hostname: host, port, username: user, pathname } = new URL(place.url);
  const server = { host, port: Number(port), user, database: pathname.slice(1) };
  const config = { type: 'mysql', resource: 'db', database: place.database, create_table: true, ...section };
  return [1, 2].map(() => {
    const pool = resource.create(valid(resource, { _class: 'mysql', server }), { environment });
    place.atEnd(() => resource.close(pool));
    const context = { environment, path: 'session.backend', resource: () => pool };
    return () => module.create(valid(module, config), context) as Promise<MysqlBackend>;
  });
}

/** On tables that were emptied. */
const on = (options: TableOptions, makers: readonly (() => MysqlBackend | Promise<MysqlBackend>)[]) =>
  sqlHarness(makers, () => emptied(place, options));
const others = { table: 'others' };
const renamed = everyNameChanged(COLUMNS, awkward);

const runs = {
  'in code': on({}, inCode({})),
  'from YAML, with the table of another name': on(others, inYaml(others)),
  'from YAML, with every name changed to one that needs quoting': on(
    renamed.options,
    inYaml(renamed.section),
  ),
};

/** Run by `npm run test:long` only: they stand between the others. */
const LATER = ['from YAML, with the table of another name'] as const;

for (const [what, harness] of due(runs, LATER)) {
  const tests = await backendSuite(harness);
  describe(`the mysql backend ${what} keeps the contract of a backend`, () => {
    for (const { name, run } of tests) it(name, run);
  });
}

it('the module says what the backend can', async () => {
  const backend = place.backend();
  for (const ability of module.abilities) expect(can(backend, ability), ability).toBe(true);
  expect(module.abilities).toHaveLength(5);
  for (const ability of ['watch', 'fences'] as const) expect(can(backend, ability), ability).toBe(false);
});
