import { COLUMNS, type Column, type TableOptions, type Tables, tablesOf } from './options.js';

const OPTIONAL: readonly Column[] = ['user', 'killAt', 'ended'];

/** Columns of the tables beside the sessions: their names and types are fixed. */
export const SIDE_TABLES = {
  journal: {
    sid: 'varbinary(27)',
    batch: 'varbinary(20)',
    n: 'int',
    at: 'bigint',
    arrived: 'bigint',
    bytes: 'int',
    entry: 'longtext character set utf8mb4',
  },
  claims: {
    service: 'varbinary(255)',
    user_id: 'varbinary(255)',
    mark: 'varbinary(20)',
    places: 'longtext character set utf8mb4',
    last_at: 'bigint',
  },
  presence: {
    process: 'varbinary(255)',
    sid: 'varbinary(27)',
    n: 'int',
    since: 'bigint',
    detail: 'longtext character set utf8mb4',
    lease_end: 'bigint',
  },
} as const;

/** What makes a row unique in each table; the statements rely on it. */
export const KEYS = {
  journal: ['sid', 'batch', 'n'],
  claims: ['service', 'user_id'],
  presence: ['process', 'sid', 'n'],
} as const;

/** What the column of a table is, in a statement that creates or changes it. */
export function definitionOf(column: Column): string {
  const { type } = COLUMNS[column];
  return `${type}${OPTIONAL.includes(column) ? '' : ' not null'}${column === 'over' ? ' default 0' : ''}`;
}

/**
 * The statements that create the tables and indexes for these names; nothing is changed that is there already.
 *
 * @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice.
 */
export function ddl(options: TableOptions = {}): string {
  return statements(tablesOf(options)).join('\n');
}

/** One statement for each table, since a connection takes one at a time. */
export function statements(tables: Tables): readonly string[] {
  return [sessions(tables), journal(tables), claims(tables), presence(tables)];
}

const KIND = 'engine = InnoDB row_format = dynamic default character set = utf8mb4';

function created(table: string, lines: readonly string[]): string {
  return `create table if not exists ${table} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n) ${KIND};\n`;
}

function sessions({ sessions: table, c, beside }: Tables): string {
  const columns = (Object.keys(COLUMNS) as Column[]).map((column) => `${c[column]} ${definitionOf(column)}`);
  // No index on what a touch changes: it writes one number in its place.
  return created(table, [
    ...columns,
    `primary key (${c.sid})`,
    `key ${beside('by_service')} (${c.service}, ${c.sid})`,
    `key ${beside('by_user')} (${c.user}, ${c.sid})`,
    `key ${beside('by_end')} (${c.over}, ${c.sid})`,
    `key ${beside('by_due')} (${c.dueAt})`,
  ]);
}

function journal({ journal: table, sessions: parent, c }: Tables): string {
  return created(table, [
    ...columnsOf('journal'),
    keyOf('journal'),
    `foreign key (sid) references ${parent} (${c.sid}) on delete cascade`,
  ]);
}

function claims({ claims: table, beside }: Tables): string {
  return created(table, [
    ...columnsOf('claims'),
    keyOf('claims'),
    `key ${beside('claims_by_time')} (last_at)`,
  ]);
}

function presence({ presence: table, beside }: Tables): string {
  return created(table, [
    ...columnsOf('presence'),
    keyOf('presence'),
    `key ${beside('presence_by_sid')} (sid)`,
  ]);
}

function columnsOf(table: keyof typeof SIDE_TABLES): readonly string[] {
  return Object.entries(SIDE_TABLES[table]).map(([name, type]) => `${name} ${type} not null`);
}

function keyOf(table: keyof typeof KEYS): string {
  return `primary key (${KEYS[table].join(', ')})`;
}
