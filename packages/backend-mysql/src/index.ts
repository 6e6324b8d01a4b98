import { MysqlBackend } from './backend.js';
import { checked, type MysqlOptions } from './options.js';
import type { MysqlPool, MysqlPromisePool } from './pool.js';

export type { MysqlBackend } from './backend.js';
export { ddl } from './ddl.js';
export type { Column, MysqlOptions, TableOptions } from './options.js';
export type { MysqlConnection, MysqlPool, MysqlPromisePool, MysqlQuery, Value } from './pool.js';

/**
 * A backend that keeps sessions in a table of MySQL or MariaDB, on connections of your pool of `mysql2` or `mysql2/promise`, which stays yours: closing the backend does
 * not end it. It looks at the table when it is first used; {@link MysqlBackend.check} does so at once.
 *
 * @throws SessionError `CONFIG_INVALID` for a name that is empty, too long or used twice, and for a pool that is none.
 */
export function mysql(pool: MysqlPool | MysqlPromisePool, options: MysqlOptions = {}): MysqlBackend {
  return new MysqlBackend(checked(pool, options));
}
