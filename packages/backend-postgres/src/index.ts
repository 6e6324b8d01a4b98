import { PostgresBackend } from './backend.js';
import { checked, type PostgresOptions } from './options.js';
import type { PgPool } from './pool.js';

export type { PostgresBackend } from './backend.js';
export { ddl } from './ddl.js';
export type { Column, PostgresOptions, TableOptions } from './options.js';
export type { PgClient, PgPool, PgQuery, Value } from './pool.js';

/**
 * A backend that keeps sessions in a table of PostgreSQL, on connections of your `pg.Pool`, which stays yours: closing the backend does not end it. It looks at the table when it is first used;
 * {@link PostgresBackend.check} does so at once.
 *
 * @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice, and for a pool that is none.
 */
export function postgres(pool: PgPool, options: PostgresOptions = {}): PostgresBackend {
  return new PostgresBackend(checked(pool, options));
}
