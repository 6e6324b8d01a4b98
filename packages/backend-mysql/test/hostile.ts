import type { Backend, SessionId } from '@sessionkit/session-core';
import type { Damage, HostileHarness } from '@sessionkit/testkit';
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { definitionOf } from '../src/ddl.js';
import type { TableOptions } from '../src/index.js';
import { COLUMNS, type Column, tablesOf } from '../src/options.js';
import { readable } from './store.js';

/** Two backends on tables that were emptied, and what can be wrong with a row. */
export function hostileHarness(
  open: () => Promise<Backend>,
  admin: Pool,
  options: TableOptions,
): HostileHarness {
  const { sessions, claims, presence, c } = tablesOf(options);
  const set = (column: Column, value: string | null): Damage => ({
    name: value === null ? `no ${column}` : `${column} = ${value}`.slice(0, 60),
    apply: async (id: SessionId) => {
      await admin.query(`update ${sessions} set ${c[column]} = ? where ${c.sid} = ?`, [value, id]);
    },
  });
  const member = (column: 'record' | 'controls', name: string, value: unknown, readable = false): Damage => ({
    name: `${column}.${name} = ${JSON.stringify(value)}`.slice(0, 60),
    readable,
    apply: async (id: SessionId) => {
      const [rows] = await admin.query<RowDataPacket[]>(
        `select ${c[column]} as json from ${sessions} where ${c.sid} = ?`,
        [id],
      );
      const text = JSON.stringify({ ...JSON.parse(rows[0]?.json), [name]: value });
      await admin.query(`update ${sessions} set ${c[column]} = ? where ${c.sid} = ?`, [text, id]);
    },
  });
  const needed = (Object.keys(COLUMNS) as Column[]).filter(
    (column) =>
      !['sid', 'user', 'killAt', 'ended', 'dueAt', 'stop', 'over', 'secretHash', 'data'].includes(column),
  );
  const damages: Damage[] = [
    ...(['secretHash', 'data'] as const).map((column) => set(column, null)),
    ...needed.map((column) => set(column, null)),
    ...(['record', 'controls', 'ended'] as const).flatMap((column) =>
      [
        '5',
        '[]',
        '"x"',
        'null',
        '[1,2]',
        '{"a":1}'.repeat(column === 'controls' ? 0 : 1) || '{"filters":{}}',
      ].map((json) => set(column, json)),
    ),
    set('record', '['.repeat(2_000) + ']'.repeat(2_000)),
    set('ended', '{"at":"x","cause":"logout"}'),
    set('ended', '{"at":1,"cause":7}'),
    set('ended', '{"at":1,"cause":"logout","by":7}'),
    set('ended', '{"at":1e999,"cause":"logout"}'),
    ...['0', '-1', '9223372036854775807'].map((version) => set('version', version)),
    ...(['seenAt', 'idle', 'endsAt', 'killAt'] as const).map((column) => set(column, '9223372036854775807')),
    ...[null, 'x', [1], {}].map((writes) => member('record', 'writes', writes)),
    ...[null, 'x', {}].map((format) => member('record', 'format', format)),
    ...[
      null,
      5,
      [],
      {},
      { userAgent: 'x', port: 1, cipher: '', attributes: null },
      { userAgent: 'x', port: 'x', cipher: '', attributes: {} },
    ].map((client) => member('record', 'client', client)),
    ...[
      5,
      'x',
      [],
      {},
      { hash: 1, kind: 'rotated' },
      { hash: 'x', kind: 'other' },
      { hash: 'x', kind: 'rotated', until: 'x' },
    ].map((prior) => member('record', 'prior', prior)),
    ...['x', null].map((at) => member('record', 'secretAt', at)),
    ...['x', {}].map((at) => member('record', 'authenticatedAt', at)),
    member('record', 'dataVersion', 'x'),
    ...[5, 'x', [1]].map((extra) => member('record', 'extra', extra)),
    ...[5, 'x', [1]].map((parameters) => member('controls', 'parameters', parameters)),
    ...[5, 'x', [1], {}].map((filters) => member('controls', 'filters', filters)),
    member('controls', 'restartedAt', 'x'),
    member('record', 'a member of a newer version', { a: [1] }, true),
    member('record', 'format', 9, true),
    member('controls', 'a member of a newer version', 1, true),
  ];
  return {
    async open() {
      const [a, b] = [await open(), await open()];
      await a.now(new AbortController().signal);
      await a.load([], new AbortController().signal);
      // Tables that somebody else has made need not be as strict as ours.
      const loose = (Object.keys(COLUMNS) as Column[])
        .filter((column) => column !== 'sid')
        .map((column) => `modify column ${c[column]} ${definitionOf(column).replace(' not null', '')}`);
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
