import { SessionError } from '@sessionkit/session-core';
import { type Database, statement } from './database.js';
import { ddl, KEYS, SIDE_TABLES, typeOf } from './ddl.js';
import { type CheckedOptions, COLUMNS, type Column, quoted } from './options.js';

/** A table as the server has it. */
interface Found {
  /** Columns by name, with their types. */
  readonly columns: Readonly<Record<string, string>>;
  /** The columns of each unique index without a condition. */
  readonly keys: readonly (readonly string[])[];
}

interface Wanted {
  readonly table: string;
  /** Type for the comparison, and for the statement that adds the column. */
  readonly columns: Readonly<Record<string, { readonly type: string; readonly add: string }>>;
  readonly key: readonly string[];
}

const LOOK = statement(
  `select json_build_object(
  'columns', (select coalesce(json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)), '{}')
    from pg_attribute a where a.attrelid = to_regclass(w.name) and a.attnum > 0 and not a.attisdropped),
  'keys', (select coalesce(json_agg((select json_agg(k.attname) from pg_attribute k
      where k.attrelid = i.indrelid and k.attnum = any(i.indkey))), '[]')
    from pg_index i where i.indrelid = to_regclass(w.name) and i.indisunique and i.indpred is null)
)::text
from unnest($1::text[]) with ordinality as w(name, n) order by w.n`,
);

/**
 * Looks whether the tables are as the statements need them, and creates them where that is wanted.
 *
 * @throws SessionError `CONFIG_INVALID` with the statement that puts it right.
 */
export async function ensureTables(
  db: Database,
  options: CheckedOptions,
  signal: AbortSignal,
): Promise<void> {
  const wanted = wantedOf(options);
  let found = await look(db, wanted, signal);
  const absent = () => wanted.filter((_, at) => isAbsent(found[at])).map(({ table }) => table);
  if (absent().length > 0 && options.createTable) {
    await create(db, options, signal);
    found = await look(db, wanted, signal);
  }
  const [missing] = absent();
  if (missing !== undefined)
    throw invalid(
      `the table ${missing} is not there: create it with the statements of sessionkit sql, or set create_table`,
    );
  for (const [at, want] of wanted.entries()) compare(want, found[at] ?? { columns: {}, keys: [] });
}

/** Two processes that start at once take turns: `if not exists` alone does not keep them from colliding. */
async function create(
  db: Database,
  { ddl: names, tables }: CheckedOptions,
  signal: AbortSignal,
): Promise<void> {
  const turn = `select pg_advisory_xact_lock(hashtextextended('sessionkit create ${tables.sessions.replaceAll("'", "''")}', 0));`;
  await db.script(`${turn}\n${ddl(names)}`, signal);
}

async function look(db: Database, wanted: readonly Wanted[], signal: AbortSignal): Promise<readonly Found[]> {
  const rows = await db.run(LOOK, [wanted.map(({ table }) => table)], signal);
  return rows.map(([json]) => JSON.parse(json ?? '') as Found);
}

const isAbsent = (found: Found | undefined) => Object.keys(found?.columns ?? {}).length === 0;

function wantedOf({ tables, columns }: CheckedOptions): readonly Wanted[] {
  const own = (Object.keys(COLUMNS) as Column[]).map((column) => {
    const usual = column === 'announced' ? ' not null default 0' : '';
    return [columns[column], { type: COLUMNS[column].type, add: `${typeOf(column)}${usual}` }] as const;
  });
  const beside = (['journal', 'claims', 'presence'] as const).map((name) => ({
    table: tables[name],
    columns: Object.fromEntries(
      Object.entries(SIDE_TABLES[name]).map(([column, type]) => [column, { type, add: type }]),
    ),
    key: KEYS[name],
  }));
  return [{ table: tables.sessions, columns: Object.fromEntries(own), key: [columns.sid] }, ...beside];
}

function compare({ table, columns, key }: Wanted, found: Found): void {
  const missing = Object.entries(columns).filter(([name]) => !Object.hasOwn(found.columns, name));
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(', ');
    const adds = missing.map(([name, { add }]) => `add column ${quoted(name)} ${add}`).join(', ');
    throw invalid(`the table ${table} lacks the columns ${names}: alter table ${table} ${adds};`);
  }
  for (const [name, { type, add }] of Object.entries(columns)) {
    const is = found.columns[name];
    if (is === type) continue;
    const change = `alter table ${table} alter column ${quoted(name)} type ${add}`;
    throw invalid(`the column ${name} of ${table} has the type ${is}, not ${type}: ${change};`);
  }
  const sorted = (names: readonly string[]) => JSON.stringify([...names].sort());
  if (found.keys.some((names) => sorted(names) === sorted(key))) return;
  const add = `alter table ${table} add primary key (${key.map(quoted).join(', ')});`;
  throw invalid(`the table ${table} has no unique index on ${key.join(', ')}: ${add}`);
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
