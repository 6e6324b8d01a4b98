import { createHash } from 'node:crypto';
import { isSessionId, type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import type { MysqlPool, MysqlPromisePool } from './pool.js';

const TEXT = 'longtext character set utf8mb4';
const NAME = 'varbinary(255)';

/** Members of a row, with the names that their columns have unless others are chosen, their types, and what they hold. */
export const COLUMNS = {
  sid: { name: 'sid', type: 'varbinary(27)', holds: 'Session id' },
  user: { name: 'user_id', type: NAME, holds: 'User; null while anonymous; UTF-8' },
  service: { name: 'service', type: NAME, holds: 'Service or share group; UTF-8' },
  ip: { name: 'ip', type: 'varchar(255) character set utf8mb4', holds: 'Address of the client' },
  start: { name: 'start', type: 'datetime(3)', holds: 'Start, in UTC' },
  stop: {
    name: 'stop',
    type: 'datetime(3)',
    holds: 'The end that no use can move, in UTC; for people: nothing reads it',
  },
  data: { name: 'data', type: TEXT, holds: 'Data of the session, byte for byte: JSON' },
  ended: {
    name: 'ended',
    type: TEXT,
    holds: 'When, why and by whom it was ended, as JSON; null while it was not',
  },
  over: { name: 'is_over', type: 'tinyint', holds: '1 once it was ended: for lists' },
  version: { name: 'version', type: 'bigint', holds: 'Counts saves' },
  epoch: { name: 'epoch', type: 'bigint', holds: 'Counts logins' },
  seenAt: { name: 'seen_at', type: 'bigint', holds: 'Last use, ms of the Unix epoch' },
  idle: { name: 'idle', type: 'bigint', holds: 'How long it may go unused, ms' },
  endsAt: { name: 'ends_at', type: 'bigint', holds: 'Absolute end, ms of the Unix epoch' },
  killAt: { name: 'kill_at', type: 'bigint', holds: "An operator's end to come, ms of the Unix epoch" },
  dueAt: { name: 'due_at', type: 'bigint', holds: 'When the sweep looks at it next, ms of the Unix epoch' },
  secretHash: {
    name: 'secret_hash',
    type: 'varchar(255) character set utf8mb4',
    holds: 'SHA-256 of the secret; the secret itself is in no column',
  },
  controls: {
    name: 'controls',
    type: TEXT,
    holds: 'What operators set: log parameters, filters, restart; JSON',
  },
  record: {
    name: 'record',
    type: TEXT,
    holds: 'The rest, with write ids and members of newer versions that are not understood',
  },
} as const;

export type Column = keyof typeof COLUMNS;
export type ColumnNames = Readonly<Record<Column, string>>;

/** What names the tables and their columns. */
export interface TableOptions {
  /** Database of the tables. Default: the one of the connection. */
  readonly database?: string | undefined;
  /** Table of the sessions; `TABLE_journal`, `TABLE_claims` and `TABLE_presence` stand beside it. Default `sessions`. */
  readonly table?: string | undefined;
  /** Names of columns in place of the usual ones. */
  readonly names?: Readonly<Partial<Record<Column, string | undefined>>> | undefined;
}

export interface MysqlOptions extends TableOptions {
  /** Creates tables and indexes that are not there. Default false. */
  readonly createTable?: boolean | undefined;
  /** How long after it was asked for a write may still be done, in ms; the store deadline of core, or more. Default 2,000. */
  readonly writeWithin?: Millis | undefined;
}

export const DEFAULT_TABLE = 'sessions';
const DEFAULT_WRITE_WITHIN: Millis = 2_000;
/** Longest name in characters. */
const NAME_LENGTH = 64;

/** The tables, their names quoted as SQL wants them. */
export interface Tables {
  readonly sessions: string;
  readonly journal: string;
  readonly claims: string;
  readonly presence: string;
  /** Quoted names of the columns of `sessions`. */
  readonly c: ColumnNames;
  /** Makes the name of an index on `sessions`, or of another table beside it. */
  readonly beside: (suffix: string) => string;
  /** As the server's own lists of tables have it; undefined for that of the connection. */
  readonly database: string | undefined;
  /** The names without quotes. */
  readonly plain: Readonly<Record<'sessions' | 'journal' | 'claims' | 'presence', string>>;
}

/** @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice. */
export function tablesOf(options: TableOptions): Tables {
  const names = namesOf(options.names ?? {});
  const { database, table = DEFAULT_TABLE } = options;
  const given = { ...names, table, ...(database === undefined ? {} : { database }) };
  const faults = Object.entries(given).map(([what, name]) => [what, nameFault(name)]);
  const [what, problem] = faults.find(([, each]) => each !== undefined) ?? [];
  const fault = problem === undefined ? clashOf(names) : `${what}: ${problem}`;
  if (fault !== undefined) throw new SessionError('CONFIG_INVALID', fault);
  const prefix = database === undefined ? '' : `${quoted(database)}.`;
  const plain = {
    sessions: table,
    journal: fitted(table, 'journal'),
    claims: fitted(table, 'claims'),
    presence: fitted(table, 'presence'),
  };
  const quotedNames = Object.entries(names).map(([column, name]) => [column, quoted(name)]);
  return {
    sessions: prefix + quoted(plain.sessions),
    journal: prefix + quoted(plain.journal),
    claims: prefix + quoted(plain.claims),
    presence: prefix + quoted(plain.presence),
    c: Object.fromEntries(quotedNames) as ColumnNames,
    beside: (suffix) => quoted(fitted(table, suffix)),
    database,
    plain,
  };
}

export function namesOf(given: NonNullable<TableOptions['names']>): ColumnNames {
  const names = Object.entries(COLUMNS).map(([column, { name }]) => [
    column,
    given[column as Column] ?? name,
  ]);
  return Object.fromEntries(names) as ColumnNames;
}

/** Says which name of a column is used twice; undefined when none is. The server takes names that differ in case alone for one. */
export function clashOf(names: ColumnNames): string | undefined {
  const used = new Set<string>();
  for (const name of Object.values(names)) {
    const folded = name.toLowerCase();
    if (used.has(folded)) return `"${name}" already names another column: choose another name`;
    used.add(folded);
  }
  return undefined;
}

/** Says why a table, database or column cannot have a name; undefined when it can (https://mariadb.com/kb/en/identifier-names/). */
export function nameFault(name: string): string | undefined {
  if (name === '' || name.length > NAME_LENGTH)
    return `a name of ${name.length} characters is not possible: choose one of 1 to ${NAME_LENGTH}`;
  // Beyond the Basic Multilingual Plane there are no names; a blank at the end is lost.
  return /[\0\p{Cs}\u{10000}-\u{10ffff}]| $/u.test(name)
    ? 'the name has a character that MySQL cannot keep: choose another'
    : undefined;
}

export interface CheckedOptions {
  readonly pool: MysqlPool;
  readonly tables: Tables;
  readonly columns: ColumnNames;
  readonly ddl: TableOptions;
  readonly createTable: boolean;
  readonly writeWithin: Millis;
}

export function checked(given: MysqlPool | MysqlPromisePool, options: MysqlOptions): CheckedOptions {
  const { writeWithin = DEFAULT_WRITE_WITHIN } = options;
  const { pool = given } = (given ?? {}) as Partial<MysqlPromisePool>;
  if (typeof (pool as Partial<MysqlPool> | undefined)?.getConnection !== 'function')
    throw new SessionError('CONFIG_INVALID', 'pool must be a pool of the package mysql2');
  if (!Number.isSafeInteger(writeWithin) || writeWithin < 1)
    throw new SessionError(
      'CONFIG_INVALID',
      `writeWithin must be a whole number of at least 1, not ${writeWithin}`,
    );
  return {
    pool: pool as MysqlPool,
    tables: tablesOf(options),
    columns: namesOf(options.names ?? {}),
    ddl: { database: options.database, table: options.table, names: options.names },
    createTable: options.createTable ?? false,
    writeWithin,
  };
}

export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}

/** Without ids that no row can have. */
export function storable(ids: readonly SessionId[]): readonly SessionId[] {
  const possible = ids.filter((id) => isSessionId(id));
  return possible.length === ids.length ? ids : possible;
}

/** `table_suffix`, within the length that a name may have. */
function fitted(table: string, suffix: string): string {
  const whole = `${table}_${suffix}`;
  if (whole.length <= NAME_LENGTH) return whole;
  const rest = `_${digest(table).slice(0, 8)}_${suffix}`;
  return table.slice(0, NAME_LENGTH - rest.length) + rest;
}
