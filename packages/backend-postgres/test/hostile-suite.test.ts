import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { hostileLine, hostileSuite } from '@sessionkit/testkit';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { COLUMNS, type Column } from '../src/options.js';
import { hostileHarness } from './hostile.js';
import { awkward } from './store.js';
import { connectTo } from './store-harness.js';

const WITHIN = 300_000;
const LONG = process.env.SESSIONKIT_LONG === '1';
const server = await startPostgres();
const admin = new pg.Pool({ connectionString: server.url, max: 1 });
afterAll(async () => {
  await admin.end();
  await server.stop();
}, WITHIN);

const addresses = [{ host: '127.0.0.1', port: Number(new URL(server.url).port) }];
const columns = Object.keys(COLUMNS) as Column[];
const table = awkward('sessions');
const names = Object.fromEntries(columns.map((column) => [column, awkward(column)]));
const snake = (column: string) => column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const { sid, ...others } = names;
const fields = Object.fromEntries(Object.entries(others).map(([column, name]) => [snake(column), name]));

const runs = {
  postgres: hostileHarness(() => connectTo(addresses), admin, {}),
  'postgres, every name changed': hostileHarness(
    () => connectTo(addresses, {}, { table, sid_field: sid, fields }),
    admin,
    { table, names },
  ),
};

/** Run by `npm run test:long` only: what they show beyond the others is little, and each takes its time. */
const LATER = new Set(['postgres, every name changed']);

for (const [name, harness] of Object.entries(runs)) {
  if (!LONG && LATER.has(name)) continue;
  const { tests, tally } = await hostileSuite(harness, { steps: LONG ? 2_000 : 200, seed: name.length });

  describe(`${name}: hostile values are kept or refused, and harm nobody`, () => {
    for (const one of tests) it(one.name, one.run, WITHIN);

    afterAll(() => {
      expect(tally.changed).toBe(0);
      const line = hostileLine(name, tally);
      const folder = process.env.SESSIONKIT_REPORT_DIR;
      if (folder === undefined) console.log(line);
      else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
    });
  });
}
