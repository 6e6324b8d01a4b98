import { COLUMNS, type Column, type TableOptions, type Tables, tablesOf } from './options.js';

const OPTIONAL: readonly Column[] = ['user', 'killAt', 'ended'];
const BYTEWISE: readonly Column[] = ['sid', 'user', 'service'];

/** Type of a column as DDL has it. Ids and names are compared byte by byte. */
export function typeOf(column: Column): string {
  const { type } = COLUMNS[column];
  const short = type === 'timestamp with time zone' ? 'timestamptz' : type;
  return BYTEWISE.includes(column) ? `${short} collate "C"` : short;
}

/** Columns of the tables beside the sessions: their names and types are fixed. */
export const SIDE_TABLES = {
  journal: {
    sid: 'text',
    batch: 'text',
    n: 'integer',
    at: 'bigint',
    bytes: 'integer',
    entry: 'json',
    seq: 'bigint',
  },
  claims: { service: 'text', user_id: 'text', sids: 'text[]', since: 'bigint[]', last_at: 'bigint' },
  presence: {
    process: 'text',
    sid: 'text',
    n: 'integer',
    since: 'bigint',
    detail: 'json',
    lease_end: 'timestamp with time zone',
  },
} as const;

/** What makes a row unique in each table; the statements rely on it. */
export const KEYS = {
  journal: ['sid', 'batch', 'n'],
  claims: ['service', 'user_id'],
  presence: ['process', 'sid', 'n'],
} as const;

/**
 * The statements that create the tables and indexes for these names; nothing is changed that is there already.
 *
 * @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice.
 */
export function ddl(options: TableOptions = {}): string {
  const tables = tablesOf(options);
  return [sessions(tables), journal(tables), claims(tables), presence(tables)].join('\n');
}

function sessions({ sessions: table, c, beside }: Tables): string {
  const columns = (Object.keys(COLUMNS) as Column[]).map((column) => {
    const key = column === 'sid' ? ' primary key' : OPTIONAL.includes(column) ? '' : ' not null';
    const usual = column === 'announced' ? ' default 0' : '';
    return `  ${c[column]} ${typeOf(column)}${key}${usual}`;
  });
  // Room on the pages and no index on what a touch changes: touches are heap-only updates.
  return `create table if not exists ${table} (
${columns.join(',\n')}
) with (fillfactor = 70);
create index if not exists ${beside('by_service')} on ${table} (${c.service}, ${c.sid});
create index if not exists ${beside('by_user')} on ${table} (${c.user}, ${c.sid}) where ${c.user} is not null;
create index if not exists ${beside('by_end')} on ${table} (${c.sid}) where ${c.ended} is not null;
create index if not exists ${beside('by_due')} on ${table} (${c.dueAt});
`;
}

function journal({ journal: table, sessions: parent, c }: Tables): string {
  return `create table if not exists ${table} (
  sid text collate "C" not null references ${parent} (${c.sid}) on delete cascade,
  batch text collate "C" not null,
  n integer not null,
  at bigint not null,
  bytes integer not null,
  entry json not null,
  seq bigint generated always as identity,
  primary key (sid, batch, n)
);
`;
}

function claims({ claims: table }: Tables): string {
  return `create table if not exists ${table} (
  service text collate "C" not null,
  user_id text collate "C" not null,
  sids text[] collate "C" not null,
  since bigint[] not null,
  last_at bigint not null,
  primary key (service, user_id)
);
`;
}

function presence({ presence: table, beside }: Tables): string {
  return `create table if not exists ${table} (
  process text collate "C" not null,
  sid text collate "C" not null,
  n integer not null,
  since bigint not null,
  detail json not null,
  lease_end timestamptz not null,
  primary key (process, sid, n)
);
create index if not exists ${beside('presence_by_sid')} on ${table} (sid);
`;
}
