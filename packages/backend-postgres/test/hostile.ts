import type { Backend } from '@sessionkit/session-core';
import { rowDamages } from '@sessionkit/test-stores/sql';
import type { HostileHarness } from '@sessionkit/testkit';
import type pg from 'pg';
import type { TableOptions } from '../src/index.js';
import { COLUMNS, type Column, tablesOf } from '../src/options.js';

const COLUMN_NAMES = Object.keys(COLUMNS) as Column[];
/** May be empty, or are not read. */
const OPTIONAL: readonly Column[] = ['sid', 'user', 'killAt', 'ended', 'dueAt', 'stop', 'announced'];

/** Two backends on tables that were emptied, and what can be wrong with a row. */
export function hostileHarness(
  open: () => Promise<Backend>,
  admin: pg.Pool,
  options: TableOptions,
): HostileHarness {
  const { sessions, claims, presence, c } = tablesOf(options);
  const damages = rowDamages<Column>({
    needed: COLUMN_NAMES.filter((column) => !OPTIONAL.includes(column)),
    own: [
      ['start', 'infinity'],
      ['start', '-infinity'],
    ],
    set: (id, column, value) =>
      admin.query(`update ${sessions} set ${c[column]} = $2 where ${c.sid} = $1`, [id, value]),
    merge(id, column, members) {
      const merged = `(${c[column]}::jsonb || $2::jsonb)::json`;
      const text = JSON.stringify(members);
      return admin.query(`update ${sessions} set ${c[column]} = ${merged} where ${c.sid} = $1`, [id, text]);
    },
  });
  return {
    async open() {
      const [a, b] = [await open(), await open()];
      await a.now(new AbortController().signal);
      await a.load([], new AbortController().signal);
      // Tables that somebody else has made need not be as strict as ours.
      const loose = COLUMN_NAMES.filter((column) => column !== 'sid').map(
        (column) => `alter column ${c[column]} drop not null`,
      );
      await admin.query(`alter table ${sessions} ${loose.join(', ')}`);
      await admin.query(`delete from ${sessions}; delete from ${claims}; delete from ${presence}`);
      return {
        a,
        b,
        damages,
        async peek(id) {
          const { rows } = await admin.query(`select * from ${sessions} where ${c.sid} = $1`, [id]);
          return rows[0];
        },
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}
