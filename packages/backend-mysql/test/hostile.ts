import type { Backend } from '@sessionkit/session-core';
import { rowDamages } from '@sessionkit/test-stores/sql';
import type { HostileHarness } from '@sessionkit/testkit';
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { definitionOf } from '../src/ddl.js';
import type { TableOptions } from '../src/index.js';
import { COLUMNS, type Column, tablesOf } from '../src/options.js';
import { readable } from './store.js';

const COLUMN_NAMES = Object.keys(COLUMNS) as Column[];
/** May be empty, or are not read. */
const OPTIONAL: readonly Column[] = ['sid', 'user', 'killAt', 'ended', 'dueAt', 'stop', 'over'];

/** Two backends on tables that were emptied, and what can be wrong with a row. */
export function hostileHarness(
  open: () => Promise<Backend>,
  admin: Pool,
  options: TableOptions,
): HostileHarness {
  const { sessions, claims, presence, c } = tablesOf(options);
  const damages = rowDamages<Column>({
    needed: COLUMN_NAMES.filter((column) => !OPTIONAL.includes(column)),
    set: (id, column, value) =>
      admin.query(`update ${sessions} set ${c[column]} = ? where ${c.sid} = ?`, [value, id]),
    async merge(id, column, members) {
      const [rows] = await admin.query<RowDataPacket[]>(
        `select ${c[column]} as json from ${sessions} where ${c.sid} = ?`,
        [id],
      );
      const text = JSON.stringify({ ...JSON.parse(rows[0]?.json), ...members });
      await admin.query(`update ${sessions} set ${c[column]} = ? where ${c.sid} = ?`, [text, id]);
    },
  });
  return {
    async open() {
      const [a, b] = [await open(), await open()];
      await a.now(new AbortController().signal);
      await a.load([], new AbortController().signal);
      // Tables that somebody else has made need not be as strict as ours.
      const loose = COLUMN_NAMES.filter((column) => column !== 'sid').map(
        (column) => `modify column ${c[column]} ${definitionOf(column).replace(' not null', '')}`,
      );
      await admin.query(`alter table ${sessions} ${loose.join(', ')}`);
      await admin.query(`delete from ${sessions}; delete from ${claims}; delete from ${presence}`);
      return {
        a,
        b,
        damages,
        async peek(id) {
          const [[row]] = await admin.query<RowDataPacket[]>(`select * from ${sessions} where ${c.sid} = ?`, [
            id,
          ]);
          return row === undefined ? undefined : readable(row);
        },
        close: async () => {
          await Promise.all([a.close(), b.close()]);
        },
      };
    },
  };
}
