import { type LegacySessions, SessionError } from '@sessionkit/session-core';
import { corrupt, type OldAppOptions, OldCookie, sessionOf } from './old-cookie.js';

/** As much of a `pg` pool as is needed. */
export interface OldPool {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

export interface ConnectPgSimpleOptions extends OldAppOptions {
  /** The `tableName` of its store. Default `session`. */
  readonly tableName?: string | undefined;
  /** The `schemaName` of its store. Default: where PostgreSQL finds the table. */
  readonly schemaName?: string | undefined;
}

/**
 * The sessions of an application that had express-session on connect-pg-simple. The pool stays yours.
 * @throws SessionError `CONFIG_INVALID`: no secret, or no pool.
 */
export function connectPgSimple(pool: OldPool, options: ConnectPgSimpleOptions): LegacySessions {
  const cookie = new OldCookie(options);
  const { tableName = 'session', schemaName, user } = options;
  if (typeof pool?.query !== 'function')
    throw new SessionError('CONFIG_INVALID', 'connectPgSimple needs a pool of pg, such as new Pool()');
  const table = schemaName === undefined ? quoted(tableName) : `${quoted(schemaName)}.${quoted(tableName)}`;
  // Times as connect-pg-simple has them: seconds of the process, in a column without a time zone.
  const taking = `update ${table} set expire = least(expire, to_timestamp($3)) where sid = $1 and expire >= to_timestamp($2) returning sess::text as sess`;
  const removing = `delete from ${table} where sid = $1`;
  return {
    type: 'connect-pg-simple',
    read: (request) => cookie.read(request),
    async take(key, atMost) {
      const now = Date.now() / 1000;
      const { rows } = await pool.query(taking, [key, Math.ceil(now), Math.ceil(now + atMost / 1000)]);
      const [row] = rows as readonly { readonly sess: string }[];
      return row && sessionOf(parsed(row.sess), user);
    },
    async remove(key) {
      await pool.query(removing, [key]);
    },
    clear: (context) => cookie.clear(context),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw corrupt(cause);
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
