import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { ConfigSchema } from '@sessionkit/session-core';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import type { OpenBackend } from '@sessionkit/testkit';
import { createPool, type Pool, type PoolOptions, type RowDataPacket } from 'mysql2/promise';
import { afterAll, expect } from 'vitest';
import { type MysqlBackend, type MysqlOptions, mysql, type TableOptions } from '../src/index.js';
import { tablesOf } from '../src/options.js';

export const signal = new AbortController().signal;
// Many calls at a time are given it.
setMaxListeners(0, signal);
const START = 120_000;

/** A server, a database of its own in it, and what looks past the backend. */
export interface Place {
  readonly url: string;
  readonly database: string;
  readonly admin: Pool;
  /** Rows as the server has them. */
  ask(sql: string, values?: readonly (string | number | null)[]): Promise<RowDataPacket[]>;
  /** Runs when the tests of the file are done, before the server goes. */
  atEnd(task: () => Promise<unknown>): void;
  pool(options?: PoolOptions): Pool;
  backend(options?: MysqlOptions & { readonly pool?: Pool }): MysqlBackend;
}

/** Starts a MariaDB for the tests of one file; it goes when they are done. */
export async function startPlace(): Promise<Place> {
  const server = await startMariadb();
  const database = `sessionkit_test_${randomBytes(6).toString('hex')}`;
  const admin = createPool({ uri: server.url, connectionLimit: 2, multipleStatements: true });
  await admin.query(`create database ${database} character set utf8mb4; use ${database}`);
  const pools: Pool[] = [];
  const backends: MysqlBackend[] = [];
  const tasks: (() => Promise<unknown>)[] = [];
  const pool = (options: PoolOptions = {}) => {
    const made = createPool({ uri: server.url, connectionLimit: 5, database, ...options });
    pools.push(made);
    return made;
  };
  afterAll(async () => {
    await Promise.all(backends.map((each) => each.close()));
    await Promise.all(tasks.map((task) => task()));
    await Promise.all(pools.map((each) => each.end()));
    await admin.query(`drop database if exists ${database}`);
    await admin.end();
    await server.stop();
  }, START);
  return {
    url: server.url,
    database,
    admin,
    ask: async (sql, values = []) => (await admin.query<RowDataPacket[]>(sql, [...values]))[0],
    atEnd: (task) => tasks.push(task),
    pool,
    backend({ pool: own = pool(), ...options } = {}) {
      const made = mysql(own, { database, createTable: true, ...options });
      backends.push(made);
      return made;
    },
  };
}

/** Empties the tables of `options` and answers what the conformance suite asks beside two instances. */
export async function emptied(
  place: Place,
  options: TableOptions,
): Promise<Pick<OpenBackend, 'peek' | 'corrupt'>> {
  const { sessions, claims, presence, c } = tablesOf({ database: place.database, ...options });
  await place.admin.query(`delete from ${sessions}; delete from ${claims}; delete from ${presence}`);
  return {
    async peek(id) {
      const [row] = await place.ask(`select * from ${sessions} where ${c.sid} = ?`, [id]);
      return row === undefined ? undefined : readable(row);
    },
    async corrupt(id) {
      await place.admin.query(`update ${sessions} set ${c.record} = '{"format":1}' where ${c.sid} = ?`, [id]);
    },
  };
}

/** Bytes as the text that they are. */
export function readable(row: RowDataPacket): Record<string, unknown> {
  const texts = Object.entries(row).map(([name, value]) => [
    name,
    Buffer.isBuffer(value) ? value.toString() : value,
  ]);
  return Object.fromEntries(texts);
}

/** A name that needs quoting. */
export const awkward = (name: string) => `${name} \`x"; drop--é`;

interface Outcome {
  readonly value?: unknown;
  readonly issues?: readonly { readonly path: readonly string[]; readonly message: string }[];
}

export const outcome = (module: { readonly config: ConfigSchema }, section: unknown) =>
  module.config['~standard'].validate(section) as Outcome;

/** A section as the schema of its module gives it out. */
export function valid<T>(module: { readonly config: ConfigSchema<T> }, section: unknown): T {
  const { value, issues } = outcome(module, section);
  expect(issues).toBeUndefined();
  return value as T;
}
