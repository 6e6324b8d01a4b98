// What the tests of the backends on SQL databases share. Their tables have the same members, some in columns of their own, the rest as JSON in `record` and `controls`.
import type { Backend, SessionId } from '@sessionkit/session-core';
import type { BackendHarness, Damage, OpenBackend } from '@sessionkit/testkit';

type Makers<SqlBackend> = readonly (() => Promise<SqlBackend> | SqlBackend)[];

/** Two instances as two processes have them. `emptied` empties their tables, which are there by then, and answers what looks past a backend. */
export function sqlHarness<SqlBackend extends Backend & { check(): Promise<void> }>(
  makers: Makers<SqlBackend>,
  emptied: () => Promise<Pick<OpenBackend, 'peek' | 'corrupt'>>,
): BackendHarness {
  return {
    async open() {
      const [a, b] = await Promise.all(makers.map((make) => make()));
      if (a === undefined || b === undefined) throw new Error('two are needed');
      await a.check();
      const beside = await emptied();
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

/** Every name changed: in code, and in the section of a configuration. */
export function everyNameChanged<Column extends string>(
  columns: Readonly<Record<Column, unknown>>,
  changed: (name: string) => string,
) {
  const table = changed('sessions');
  const names = Object.keys(columns).map((column) => [column, changed(column)] as const);
  const fields = names.filter(([column]) => column !== 'sid').map(([column, name]) => [snake(column), name]);
  return {
    options: { table, names: Object.fromEntries(names) as Record<Column, string> },
    section: { table, sid_field: changed('sid'), fields: Object.fromEntries(fields) },
  };
}

const snake = (column: string) => column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Columns that every one of these tables has and that are damaged here. */
type Damaged = 'record' | 'controls' | 'ended' | 'version' | 'seenAt' | 'idle' | 'endsAt' | 'killAt';

interface Rows<Column extends string> {
  /** Members that a record cannot be read without. */
  readonly needed: readonly Column[];
  /** Values that this database alone takes, each for a column. */
  readonly own?: readonly (readonly [column: Column, value: string])[] | undefined;
  /** Puts a value into a column of a row. */
  set(id: SessionId, column: Column | Damaged, value: string | null): Promise<unknown>;
  /** Puts members into the JSON object in a column of a row. */
  merge(id: SessionId, column: 'record' | 'controls', members: object): Promise<unknown>;
}

/** What can be wrong with a row. */
export function rowDamages<Column extends string>({
  needed,
  own = [],
  set,
  merge,
}: Rows<Column>): readonly Damage[] {
  const value = (column: Column | Damaged, value: string | null): Damage => ({
    name: value === null ? `no ${column}` : `${column} = ${value}`.slice(0, 60),
    apply: async (id) => void (await set(id, column, value)),
  });
  const member = (column: 'record' | 'controls', name: string, value: unknown, readable = false): Damage => ({
    name: `${column}.${name} = ${JSON.stringify(value)}`.slice(0, 60),
    readable,
    apply: async (id) => void (await merge(id, column, { [name]: value })),
  });
  return [
    ...needed.map((column) => value(column, null)),
    ...(['record', 'controls', 'ended'] as const).flatMap((column) =>
      ['5', '[]', '"x"', 'null', '[1,2]', column === 'controls' ? '{"filters":{}}' : '{"a":1}'].map((json) =>
        value(column, json),
      ),
    ),
    value('record', '['.repeat(2_000) + ']'.repeat(2_000)),
    value('ended', '{"at":"x","cause":"logout"}'),
    value('ended', '{"at":1,"cause":7}'),
    value('ended', '{"at":1,"cause":"logout","by":7}'),
    value('ended', '{"at":1e999,"cause":"logout"}'),
    ...own.map(([column, each]) => value(column, each)),
    ...['0', '-1', '9223372036854775807'].map((version) => value('version', version)),
    ...(['seenAt', 'idle', 'endsAt', 'killAt'] as const).map((column) =>
      value(column, '9223372036854775807'),
    ),
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
}
