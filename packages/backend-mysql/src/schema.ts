import { SessionError } from '@sessionkit/session-core';
import type { Database } from './database.js';
import { definitionOf, KEYS, SIDE_TABLES, statements } from './ddl.js';
import { type CheckedOptions, COLUMNS, type Column, quoted } from './options.js';

/** A table as the server has it. */
interface Found {
  /** Columns by name, with their types. */
  readonly columns: ReadonlyMap<string, string>;
  /** The columns of each unique index. */
  readonly keys: readonly (readonly string[])[];
}

interface Wanted {
  readonly table: string;
  readonly plain: string;
  /** Type for the comparison, and what the statement says that adds or changes the column. */
  readonly columns: Readonly<Record<string, { readonly type: string; readonly definition: string }>>;
  readonly key: readonly string[];
}

/** Types as they are compared: a name, a size where there is one, and the character set of texts. */
const COLUMN_TYPES = `select table_name, column_name, concat(data_type,
  case when data_type in ('varbinary', 'varchar') then concat('(', character_maximum_length, ')')
    when data_type = 'datetime' then concat('(', datetime_precision, ')') else '' end,
  case when data_type <> 'json' and character_set_name is not null then concat(' character set ', character_set_name) else '' end)
from information_schema.columns where table_schema = coalesce(?, database()) and table_name in (?, ?, ?, ?)`;
const UNIQUE_KEYS = `select table_name, index_name, column_name, sub_part from information_schema.statistics
where table_schema = coalesce(?, database()) and table_name in (?, ?, ?, ?) and non_unique = 0`;
const SETTINGS = `select @@max_allowed_packet, @@autocommit, @@character_set_client, @@character_set_connection, @@character_set_results, @@version`;
/** With `sysdate-is-now` its clock stands still during a statement. */
const GOING_CLOCK = `select sleep(0.002), sysdate(6) > now(6)`;

const MARIADB = [10, 6] as const;
const MYSQL = [8, 0] as const;

/** Room for all else that is sent with the texts of a record. */
const PACKET_MARGIN = 65_536;

/**
 * Looks whether the server, the connections and the tables are as the statements need them, and creates tables where that is wanted. Answers how many bytes of a
 * record the server takes.
 *
 * @throws SessionError `CONFIG_INVALID` with the statement that puts it right.
 */
export async function ensureTables(
  db: Database,
  options: CheckedOptions,
  signal: AbortSignal,
): Promise<number> {
  const most = await checkServer(db, signal);
  const wanted = wantedOf(options);
  let found = await look(db, options, wanted, signal);
  if (wanted.some(({ plain }) => !found.has(plain)) && options.createTable) {
    // Many may start at once: who creates a table that another one just has created changes nothing.
    for (const text of statements(options.tables)) await db.plain(text, signal);
    found = await look(db, options, wanted, signal);
  }
  for (const want of wanted) {
    const is = found.get(want.plain);
    if (is === undefined)
      throw invalid(
        `the table ${want.table} is not there: create it with the statements of sessionkit sql, or set create_table`,
      );
    compare(want, is);
    // Of MariaDB: text with a condition, which the driver does not give out as the text that it is.
    const { json } = await db.run(`select * from ${want.table} limit 0`, [], signal);
    for (const name of json) if (name in want.columns) throw otherType(want, name, 'json');
  }
  return most;
}

async function checkServer(db: Database, signal: AbortSignal): Promise<number> {
  const { rows } = await db.run(SETTINGS, [], signal);
  const [packet, autocommit, client, connection, results, version = ''] = rows[0] ?? [];
  if (!isRecent(version ?? ''))
    throw invalid(
      `the server is ${version}: MariaDB ${MARIADB.join('.')} or MySQL ${MYSQL.join('.')} is needed`,
    );
  if (autocommit !== '1')
    throw invalid(
      'autocommit is off, so that nothing would ever be stored: set it on (set global autocommit = 1)',
    );
  if ([client, connection, results].some((name) => name !== 'utf8mb4'))
    throw invalid(
      `the connections use the character set ${client}, not utf8mb4: make the pool with charset: 'utf8mb4'`,
    );
  const { rows: clock } = await db.run(GOING_CLOCK, [], signal);
  if (clock[0]?.[1] !== '1')
    throw invalid(
      'the server runs with sysdate-is-now, so that late writes could not be refused: start it without that option',
    );
  return Number(packet) - PACKET_MARGIN;
}

function isRecent(version: string): boolean {
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  const [least, then] = /mariadb/i.test(version) ? MARIADB : MYSQL;
  return major > least || (major === least && minor >= then);
}

async function look(
  db: Database,
  { tables }: CheckedOptions,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Found>> {
  const names = [tables.database ?? null, ...wanted.map(({ plain }) => plain)];
  const [types, keys] = [
    (await db.run(COLUMN_TYPES, names, signal)).rows,
    (await db.run(UNIQUE_KEYS, names, signal)).rows,
  ];
  return new Map(
    wanted.flatMap(({ plain }) => {
      // A server may fold the case of the names of tables.
      const own = (row: readonly (string | null)[]) => row[0]?.toLowerCase() === plain.toLowerCase();
      const columns = new Map(types.filter(own).map(([, name, type]) => [name ?? '', type ?? '']));
      if (columns.size === 0) return [];
      const indexes = new Map<string, string[]>();
      for (const [, index, column, part] of keys.filter(own)) {
        // The beginning of a column makes nothing unique.
        const name = part === null ? (column ?? '') : '';
        indexes.set(index ?? '', [...(indexes.get(index ?? '') ?? []), name]);
      }
      return [[plain, { columns, keys: [...indexes.values()] }] as const];
    }),
  );
}

function wantedOf({ tables, columns }: CheckedOptions): readonly Wanted[] {
  const own = (Object.keys(COLUMNS) as Column[]).map(
    (column) => [columns[column], { type: COLUMNS[column].type, definition: definitionOf(column) }] as const,
  );
  const beside = (['journal', 'claims', 'presence'] as const).map((name) => ({
    table: tables[name],
    plain: tables.plain[name],
    columns: Object.fromEntries(
      Object.entries(SIDE_TABLES[name]).map(([column, type]) => [
        column,
        { type, definition: `${type} not null` },
      ]),
    ),
    key: KEYS[name],
  }));
  const sessions = {
    table: tables.sessions,
    plain: tables.plain.sessions,
    columns: Object.fromEntries(own),
    key: [columns.sid],
  };
  return [sessions, ...beside];
}

function compare(want: Wanted, found: Found): void {
  const { table, columns, key } = want;
  const folded = new Map([...found.columns].map(([name, type]) => [name.toLowerCase(), type]));
  const missing = Object.entries(columns).filter(([name]) => !folded.has(name.toLowerCase()));
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(', ');
    const adds = missing
      .map(([name, { definition }]) => `add column ${quoted(name)} ${definition}`)
      .join(', ');
    throw invalid(`the table ${table} lacks the columns ${names}: alter table ${table} ${adds};`);
  }
  for (const [name, { type }] of Object.entries(columns)) {
    const is = folded.get(name.toLowerCase()) ?? '';
    if (!fits(is, type)) throw otherType(want, name, is);
  }
  const sorted = (names: readonly string[]) => JSON.stringify(names.map((name) => name.toLowerCase()).sort());
  if (found.keys.some((names) => sorted(names) === sorted(key))) return;
  const add = `alter table ${table} add primary key (${key.map(quoted).join(', ')});`;
  throw invalid(`the table ${table} has no unique index on ${key.join(', ')}: ${add}`);
}

function otherType({ table, columns }: Wanted, name: string, is: string): SessionError {
  const { type, definition } = columns[name] ?? { type: '', definition: '' };
  const change = `alter table ${table} modify column ${quoted(name)} ${definition};`;
  return invalid(`the column ${name} of ${table} has the type ${is}, not ${type}: ${change}`);
}

/** Whether a column of one type holds what one of the other type does: the same, or the same with more room. */
function fits(is: string, wanted: string): boolean {
  const size = /\((\d+)\)/;
  const [has, needs] = [is, wanted].map((type) => Number(size.exec(type)?.[1] ?? 0)) as [number, number];
  return is.replace(size, '') === wanted.replace(size, '') && has >= needs;
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
