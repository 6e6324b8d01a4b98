import type { Backend } from '@sessionkit/session-core';
import { type RaceMutants, withMembers } from '@sessionkit/test-stores/race-mutants';
import { type Address, altered } from '@sessionkit/testkit';
import { createPool, type Pool } from 'mysql2';
import { type MysqlConnection, type MysqlPool, type MysqlQuery, mysql } from '../src/index.js';
import { COLUMNS, type Column, digest, type Tables, tablesOf } from '../src/options.js';
import { statementsOf } from '../src/statements.js';

type Edit = (sql: string, tables: Tables) => string;

const replaced = (was: string | RegExp, is: string) => (sql: string) => sql.replace(was, is);

/** The statements of the adapter with one rule taken out of one of them. */
const MUTANTS = {
  'a save that upserts': (sql, tables) => {
    const { insert, update } = statementsOf(tables);
    if (sql === insert.sql) return upsert(sql, tables);
    return sql === update.sql ? unconditional(sql, tables) : sql;
  },
  'a first save that upserts': (sql, tables) =>
    sql === statementsOf(tables).insert.sql ? upsert(sql, tables) : sql,
  'a save that forgets its write ids': (sql, tables) =>
    sql === statementsOf(tables).standing ? replaced(`t.${tables.c.record}`, `'{"writes":[]}'`)(sql) : sql,
  'a touch that revives': (sql, { c, ...tables }) =>
    sql === statementsOf({ c, ...tables }).touch
      ? replaced(
          '\nset ',
          `\nset t.${c.ended} = null, t.${c.over} = 0, `,
        )(replaced(`where x.${c.ended} is null and `, 'where ')(sql))
      : sql,
  'an entry that revives': (sql, { sessions, journal, c }) =>
    sql.startsWith(`insert into ${journal}`)
      ? replaced(`where t.${c.ended} is null and `, 'where ')(sql)
      : sql.includes('row_number()')
        ? `update json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$')) j straight_join ${sessions} t on t.${c.sid} = j.sid set t.${c.ended} = null`
        : sql,
  'a claim that does not see the other claims': (sql, { claims }) =>
    sql.includes(`from ${claims} k where`) ? replaced('k.places as b', `'[]' as b`)(sql) : sql,
} as const satisfies Record<string, Edit>;

type MutantName = keyof typeof MUTANTS;

export const mutants: RaceMutants<MutantName> = {
  names: Object.keys(MUTANTS) as MutantName[],
  upserting: 'a save that upserts',
  make: mutantOf,
};

/** The backend with this rule broken, in tables and on a pool of its own. */
async function mutantOf(name: MutantName, [at]: readonly Address[]): Promise<Backend> {
  const pool = createPool({ user: 'root', database: 'sessionkit', ...at });
  const table = `mutant_${digest(name)}`;
  const tables = tablesOf({ table });
  const edit: Edit = MUTANTS[name];
  const backend = mysql(
    editing(pool, (sql) => edit(sql, tables)),
    { table, createTable: true },
  );
  await backend.check();
  return altered(backend, {
    async close() {
      await backend.close();
      await pool.promise().end();
    },
  });
}

/** The pool, with the text of each statement edited on its way. */
function editing(pool: Pool, edit: (sql: string) => string): MysqlPool {
  return {
    getConnection: (got) =>
      pool.getConnection((error, connection) => {
        if (error) return got(error, connection as unknown as MysqlConnection);
        const real = connection as unknown as MysqlConnection;
        got(
          null,
          withMembers(real, {
            execute: (query: MysqlQuery, values, answered) =>
              real.execute({ ...query, sql: edit(query.sql) }, values, answered),
          }),
        );
      }),
  };
}

/** As the insert of the adapter, over whatever there is. */
function upsert(sql: string, { c }: Tables): string {
  const stored = (Object.keys(COLUMNS) as Column[]).filter(
    (column) => column !== 'ended' && column !== 'over',
  );
  const set = stored.map((column) => `${c[column]} = values(${c[column]})`);
  return `${sql} on duplicate key update ${set.join(', ')}, ${c.ended} = null, ${c.over} = 0`;
}

/** As the update of the adapter, whatever there is. */
function unconditional(sql: string, { c }: Tables): string {
  return sql
    .replace(`and ${c.version} = ? - 1 and ${c.ended} is null`, 'and ? is not null')
    .replace(' set ', ` set ${c.ended} = null, ${c.over} = 0, `);
}
