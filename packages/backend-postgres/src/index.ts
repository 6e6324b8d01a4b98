import { PostgresBackend } from './backend.js';
import { checked, type PostgresOptions } from './options.js';

export type { PostgresBackend } from './backend.js';
export { ddl } from './ddl.js';
export type { Column, PostgresOptions, TableOptions } from './options.js';
export type { PgClient, PgPool, PgQuery, Value } from './pool.js';

/**
 * A backend that keeps sessions in a table of PostgreSQL, on connections of your pool. It looks at the table when it is first used;
 * {@link PostgresBackend.check} does so at once.
 *
 * @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice, and for a deadline that is none.
 */
export function postgres(options: PostgresOptions): PostgresBackend {
  return new PostgresBackend(checked(options));
}
