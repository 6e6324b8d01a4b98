import type { Backend } from '@sessionkit/session-core';
import { type RaceMutants, withMembers } from '@sessionkit/test-stores/race-mutants';
import { type Address, altered } from '@sessionkit/testkit';
import pg from 'pg';
import { type PgClient, type PgPool, type PgQuery, postgres } from '../src/index.js';
import { COLUMNS, digest, quoted, type Tables, tablesOf } from '../src/options.js';
import { statementsOf } from '../src/statements.js';

type Edit = (text: string, tables: Tables) => string;

const replaced = (was: string | RegExp, is: string) => (text: string) => text.replace(was, is);
const chained =
  (...edits: readonly ((text: string) => string)[]) =>
  (text: string) =>
    edits.reduce((done, edit) => edit(done), text);

/** The statements of the adapter with one rule taken out of one of them. */
const MUTANTS = {
  'a save that upserts': (text, tables) => {
    const { insert, update } = statementsOf(tables);
    return text === insert.text || text === update.text ? upsert(tables) : text;
  },
  'a first save that upserts': (text, tables) =>
    text === statementsOf(tables).insert.text ? upsert(tables) : text,
  'a save that forgets its write ids': (text, tables) =>
    text === statementsOf(tables).standing.text
      ? replaced(`t.${tables.c.record}::text`, `'{"writes":[]}'`)(text)
      : text,
  'a touch that revives': (text, { c, ...tables }) =>
    text === statementsOf({ c, ...tables }).touch.text
      ? chained(
          replaced(`where t.${c.ended} is null and `, 'where '),
          replaced(`and t.${c.ended} is null\n`, '\n'),
          replaced(`set ${c.seenAt} = `, `set ${c.ended} = null, ${c.seenAt} = `),
        )(text)
      : text,
  'an entry that revives': (text, { sessions, c }) =>
    chained(
      replaced(`where t.${c.ended} is null and clock_timestamp()`, 'where clock_timestamp()'),
      replaced(
        ', dropped as (',
        `, revived as (
  update ${sessions} t set ${c.ended} = null where t.${c.sid} in (select sid from fresh)
), dropped as (`,
      ),
    )(text),
  'a claim that does not see the other claims': chained(
    replaced(') w) u', ') w where false) u'),
    replaced('unnest(taken.sids, taken.since) as h(sid, since)', '$& where false'),
  ),
} as const satisfies Record<string, Edit>;

type MutantName = keyof typeof MUTANTS;

export const mutants: RaceMutants<MutantName> = {
  names: Object.keys(MUTANTS) as MutantName[],
  upserting: 'a save that upserts',
  make: mutantOf,
};

/** The backend with this rule broken, in tables and on a pool of its own. */
async function mutantOf(name: MutantName, [at]: readonly Address[]): Promise<Backend> {
  const pool = new pg.Pool({ user: 'test', database: 'postgres', ...at });
  const table = `mutant_${digest(name)}`;
  const tables = tablesOf({ table });
  const edit: Edit = MUTANTS[name];
  const backend = postgres(
    editing(pool, (text) => edit(text, tables)),
    {
      table,
      createTable: true,
      log: () => {},
    },
  );
  await backend.check();
  return altered(backend, {
    async close() {
      await backend.close();
      await pool.end();
    },
  });
}

/** The pool, with the text of each statement edited on its way. */
function editing(pool: pg.Pool, edit: (text: string) => string): PgPool {
  const client = (real: PgClient): PgClient =>
    withMembers(real, {
      query: (query: PgQuery | string) =>
        real.query(typeof query === 'string' ? query : { ...query, text: edit(query.text) }),
    });
  const given: PgPool = pool;
  return withMembers(given, { connect: async () => client(await given.connect()) });
}

/** As the insert of the adapter, over whatever there is. */
function upsert(tables: Tables): string {
  const { ended, ...others } = COLUMNS;
  const set = Object.values(others).map(({ name }) => `${quoted(name)} = excluded.${quoted(name)}`);
  return replaced(
    'do nothing',
    `do update set ${set.join(', ')}, ${quoted(ended.name)} = null`,
  )(statementsOf(tables).insert.text);
}
