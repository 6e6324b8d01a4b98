import { createHash } from 'node:crypto';
import {
  type LogEntry,
  type Millis,
  processEnvironment,
  SessionError,
  type SessionId,
} from '@sessionkit/session-core';
import type { PgPool } from './pool.js';

/** Members of a row, with the names that their columns have unless others are chosen, their types, and what they hold. */
export const COLUMNS = {
  sid: { name: 'sid', type: 'text', holds: 'Session id' },
  user: { name: 'user_id', type: 'text', holds: 'User; null while anonymous' },
  service: { name: 'service', type: 'text', holds: 'Service or share group' },
  ip: { name: 'ip', type: 'text', holds: 'Address of the client' },
  start: { name: 'start', type: 'timestamp with time zone', holds: 'Start' },
  stop: {
    name: 'stop',
    type: 'timestamp with time zone',
    holds: 'The end that no use can move; for people: nothing reads it',
  },
  data: { name: 'data', type: 'json', holds: 'Data of the session, byte for byte' },
  ended: {
    name: 'ended',
    type: 'json',
    holds: 'When, why and by whom it was ended; null while it was not',
  },
  version: { name: 'version', type: 'bigint', holds: 'Counts saves' },
  epoch: { name: 'epoch', type: 'bigint', holds: 'Counts logins' },
  seenAt: { name: 'seen_at', type: 'bigint', holds: 'Last use, ms of the Unix epoch' },
  idle: { name: 'idle', type: 'bigint', holds: 'How long it may go unused, ms' },
  endsAt: { name: 'ends_at', type: 'bigint', holds: 'Absolute end, ms of the Unix epoch' },
  killAt: { name: 'kill_at', type: 'bigint', holds: "An operator's end to come, ms of the Unix epoch" },
  dueAt: { name: 'due_at', type: 'bigint', holds: 'When the sweep looks at it next, ms of the Unix epoch' },
  secretHash: {
    name: 'secret_hash',
    type: 'text',
    holds: 'SHA-256 of the secret; the secret itself is in no column',
  },
  controls: {
    name: 'controls',
    type: 'json',
    holds: 'What operators set: log parameters, filters, restart',
  },
  record: {
    name: 'record',
    type: 'json',
    holds: 'The rest, with write ids and members of newer versions that are not understood',
  },
  announced: { name: 'announced', type: 'bigint', holds: 'The last version that was announced' },
} as const;

export type Column = keyof typeof COLUMNS;
export type ColumnNames = Readonly<Record<Column, string>>;

/** What names the tables and their columns. */
export interface TableOptions {
  /** Schema of the tables. Default: the first one of the connection's `search_path`. */
  readonly schema?: string | undefined;
  /** Table of the sessions; `TABLE_journal`, `TABLE_claims` and `TABLE_presence` stand beside it. Default `sessions`. */
  readonly table?: string | undefined;
  /** Names of columns in place of the usual ones. */
  readonly names?: Readonly<Partial<Record<Column, string | undefined>>> | undefined;
}

export interface PostgresOptions extends TableOptions {
  /** Creates tables and indexes that are not there. Default false. */
  readonly createTable?: boolean | undefined;
  /** How long after it was asked for a write may still be done, in ms; the store deadline of core, or more. Default 2,000. */
  readonly writeWithin?: Millis | undefined;
  /**
   * Whether a save or an end is acknowledged only when the server's synchronous standbys have it (`synchronous_commit = on` for those transactions, whatever the server's
   * setting). Default false: as the server is set.
   */
  readonly durable?: boolean | undefined;
  /** Named prepared statements. To be turned off behind a pooler that cannot keep them. Default true. */
  readonly prepared?: boolean | undefined;
  /** Takes faults in the background: idle connections, notices. Default: the log of `processEnvironment`. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

export const DEFAULT_TABLE = 'sessions';
const DEFAULT_WRITE_WITHIN: Millis = 2_000;
/** Longest name in bytes; PostgreSQL cuts longer ones without a word. */
const NAME_BYTES = 63;

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
  /** Channel of the notices. */
  readonly channel: string;
}

/** @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice. */
export function tablesOf(options: TableOptions): Tables {
  const names = namesOf(options.names ?? {});
  const { schema, table = DEFAULT_TABLE } = options;
  const given = { ...names, table, ...(schema === undefined ? {} : { schema }) };
  const faults = Object.entries(given).map(([what, name]) => [what, nameFault(name)]);
  const [what, problem] = faults.find(([, each]) => each !== undefined) ?? [];
  const fault = problem === undefined ? clashOf(names) : `${what}: ${problem}`;
  if (fault !== undefined) throw new SessionError('CONFIG_INVALID', fault);
  const prefix = schema === undefined ? '' : `${quoted(schema)}.`;
  const beside = (suffix: string) => quoted(fitted(table, suffix));
  const quotedNames = Object.entries(names).map(([column, name]) => [column, quoted(name)]);
  return {
    sessions: prefix + quoted(table),
    journal: prefix + beside('journal'),
    claims: prefix + beside('claims'),
    presence: prefix + beside('presence'),
    c: Object.fromEntries(quotedNames) as ColumnNames,
    beside,
    channel: `sessionkit_${digest(`${schema ?? ''}.${table}`)}`,
  };
}

export function namesOf(given: NonNullable<TableOptions['names']>): ColumnNames {
  const names = Object.entries(COLUMNS).map(([column, { name }]) => [
    column,
    given[column as Column] ?? name,
  ]);
  return Object.fromEntries(names) as ColumnNames;
}

/** Says which name of a column is used twice; undefined when none is. */
export function clashOf(names: ColumnNames): string | undefined {
  const used = new Set<string>();
  for (const name of Object.values(names)) {
    if (used.has(name)) return `"${name}" already names another column: choose another name`;
    used.add(name);
  }
  return undefined;
}

/** Says why a table, schema or column cannot have a name; undefined when it can. */
export function nameFault(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_BYTES)
    return `a name of ${bytes} bytes is not possible: choose one of 1 to ${NAME_BYTES}`;
  return unstorable(name)
    ? 'the name has a character that PostgreSQL cannot keep: choose another'
    : undefined;
}

export interface CheckedOptions {
  readonly pool: PgPool;
  readonly tables: Tables;
  readonly columns: ColumnNames;
  readonly ddl: TableOptions;
  readonly createTable: boolean;
  readonly writeWithin: Millis;
  readonly durable: boolean;
  readonly prepared: boolean;
  readonly log: (entry: LogEntry) => void;
}

export function checked(pool: PgPool, options: PostgresOptions): CheckedOptions {
  const { writeWithin = DEFAULT_WRITE_WITHIN } = options;
  if (typeof (pool as Partial<PgPool> | undefined)?.connect !== 'function')
    throw new SessionError('CONFIG_INVALID', 'pool must be a Pool of the package pg');
  if (!Number.isSafeInteger(writeWithin) || writeWithin < 1)
    throw new SessionError(
      'CONFIG_INVALID',
      `writeWithin must be a whole number of at least 1, not ${writeWithin}`,
    );
  return {
    pool,
    tables: tablesOf(options),
    columns: namesOf(options.names ?? {}),
    ddl: { schema: options.schema, table: options.table, names: options.names },
    createTable: options.createTable ?? false,
    writeWithin,
    durable: options.durable ?? false,
    prepared: options.prepared ?? true,
    log: options.log ?? processEnvironment.log,
  };
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}

/** Whether a text column cannot keep a text as it is: it has NUL, or half of a surrogate pair. */
export function unstorable(text: string): boolean {
  return /[\0\p{Cs}]/u.test(text);
}

/** Without ids that no row can have. */
export function storable(ids: readonly SessionId[]): readonly SessionId[] {
  return ids.some(unstorable) ? ids.filter((id) => !unstorable(id)) : ids;
}

/** `table_suffix`, within the bytes that a name may have. */
function fitted(table: string, suffix: string): string {
  const whole = `${table}_${suffix}`;
  if (Buffer.byteLength(whole) <= NAME_BYTES) return whole;
  let start = table;
  const rest = `_${digest(table).slice(0, 8)}_${suffix}`;
  while (Buffer.byteLength(start + rest) > NAME_BYTES) start = [...start].slice(0, -1).join('');
  return start + rest;
}
