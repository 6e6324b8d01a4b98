import { randomBytes } from 'node:crypto';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import type { OpenBackend } from '@sessionkit/testkit';
import pg from 'pg';
import { afterAll } from 'vitest';
import { type PostgresBackend, type PostgresOptions, postgres, type TableOptions } from '../src/index.js';
import { quoted, tablesOf } from '../src/options.js';

export const signal = new AbortController().signal;
export const START = 120_000;

/** A server, a schema of its own in it, and what looks past the backend. */
export interface Place {
  readonly url: string;
  readonly schema: string;
  readonly admin: pg.Pool;
  pool(options?: pg.PoolConfig): pg.Pool;
  backend(options?: Partial<PostgresOptions>): PostgresBackend;
}

/** Starts a PostgreSQL for the tests of one file; it goes when they are done. */
export async function startPlace(): Promise<Place> {
  const server = await startPostgres();
  const schema = `sessionkit_test_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Pool({ connectionString: server.url, max: 2 });
  await admin.query(`create schema ${schema}`);
  const pools: pg.Pool[] = [];
  const backends: PostgresBackend[] = [];
  const pool = (options: pg.PoolConfig = {}) => {
    const made = new pg.Pool({ connectionString: server.url, max: 5, ...options });
    // Servers of tests are stopped under their pools.
    made.on('error', () => {});
    pools.push(made);
    return made;
  };
  afterAll(async () => {
    await Promise.all(backends.map((each) => each.close()));
    await Promise.all(pools.map((each) => each.ended || each.end()));
    await admin.query(`drop schema if exists ${schema} cascade`);
    await admin.end();
    await server.stop();
  }, START);
  return {
    url: server.url,
    schema,
    admin,
    pool,
    backend(options = {}) {
      const made = postgres({ pool: pool(), schema, createTable: true, log: () => {}, ...options });
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
  const { sessions, claims, presence, c } = tablesOf({ schema: place.schema, ...options });
  await place.admin.query(`delete from ${sessions}; delete from ${claims}; delete from ${presence}`);
  return {
    async peek(id) {
      const { rows } = await place.admin.query(`select * from ${sessions} where ${c.sid} = $1`, [id]);
      return rows[0];
    },
    async corrupt(id) {
      await place.admin.query(`update ${sessions} set ${c.record} = '{"format":1}' where ${c.sid} = $1`, [
        id,
      ]);
    },
  };
}

/** A name that needs quoting, as every name may. */
export const awkward = (name: string) => quoted(`${name} "x"; drop--é`).slice(1, -1).replaceAll('""', '"');
