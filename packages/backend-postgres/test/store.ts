import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { ConfigSchema } from '@sessionkit/session-core';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import type { OpenBackend } from '@sessionkit/testkit';
import pg from 'pg';
import { afterAll, expect } from 'vitest';
import { type PostgresBackend, type PostgresOptions, postgres, type TableOptions } from '../src/index.js';
import { tablesOf } from '../src/options.js';

export const signal = new AbortController().signal;
// Many calls at a time are given it.
setMaxListeners(0, signal);
const START = 120_000;

/** A server, a schema of its own in it, and what looks past the backend. */
export interface Place {
  readonly url: string;
  readonly schema: string;
  readonly admin: pg.Pool;
  /** Runs when the tests of the file are done, before the server goes. */
  atEnd(task: () => Promise<unknown>): void;
  pool(options?: pg.PoolConfig): pg.Pool;
  backend(options?: PostgresOptions & { readonly pool?: pg.Pool }): PostgresBackend;
}

/** Starts a PostgreSQL for the tests of one file; it goes when they are done. */
export async function startPlace(): Promise<Place> {
  const server = await startPostgres();
  const schema = `sessionkit_test_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Pool({ connectionString: server.url, max: 2 });
  await admin.query(`create schema ${schema}`);
  const pools: pg.Pool[] = [];
  const backends: PostgresBackend[] = [];
  const tasks: (() => Promise<unknown>)[] = [];
  const pool = (options: pg.PoolConfig = {}) => {
    const made = new pg.Pool({ connectionString: server.url, max: 5, ...options });
    // Servers of tests are stopped under their pools.
    made.on('error', () => {});
    pools.push(made);
    return made;
  };
  afterAll(async () => {
    await Promise.all(backends.map((each) => each.close()));
    await Promise.all(tasks.map((task) => task()));
    await Promise.all(pools.map((each) => each.ended || each.end()));
    await admin.query(`drop schema if exists ${schema} cascade`);
    await admin.end();
    await server.stop();
  }, START);
  return {
    url: server.url,
    schema,
    admin,
    atEnd: (task) => tasks.push(task),
    pool,
    backend({ pool: own = pool(), ...options } = {}) {
      const made = postgres(own, { schema, createTable: true, log: () => {}, ...options });
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

/** A name that needs quoting. */
export const awkward = (name: string) => `${name} "x"; drop--é`;

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
