import type { PgClient, PgPool } from './pool.js';

/** A connection of the protocol, as `pg` (8.x) has it below each of its clients. */
interface Wire {
  connect(portOrPath: number | string, host?: string): void;
  on(event: 'connect' | 'error', listener: () => void): unknown;
  cancel(processID: number, secretKey: number): void;
  unref(): void;
}

interface WithClient {
  readonly Client: new (options: object) => { readonly connection: Wire; host: string; port: number };
}

/**
 * Asks the server to stop what it does for this client. A commit that waits for a standby does not notice that its connection is gone: it would keep its place among the
 * connections of the server until the standby is back. The commit stands, so that its outcome is unknown to who gave up.
 */
export function cancel(pool: PgPool, { processID, secretKey }: PgClient): void {
  if (processID == null || secretKey == null) return;
  const { Client } = pool as PgPool & WithClient;
  const { connection, host, port } = new Client(pool.options);
  connection.on('connect', () => connection.cancel(processID, secretKey));
  // A server that cannot be reached has nothing to be stopped.
  connection.on('error', () => {});
  if (host?.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
  connection.unref();
}
