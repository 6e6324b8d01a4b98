/** What is sent as a parameter of a prepared statement: bytes for what is compared byte by byte. */
export type Value = string | number | null | Buffer;

/** How `mysql2` is asked: options of a single query, which stand before those of the connection. */
export interface MysqlQuery {
  readonly sql: string;
  readonly rowsAsArray: true;
  readonly supportBigNumbers: true;
  readonly bigNumberStrings: true;
  readonly nestTables: false;
  readonly namedPlaceholders: false;
  readonly typeCast: true | ((field: unknown, next: () => unknown) => unknown);
}

type Answered = (error: Error | null, rows: unknown, fields?: unknown) => void;

/** As much of a connection of a `mysql2` (3.x) pool as is used. */
export interface MysqlConnection {
  readonly config: object;
  execute(query: MysqlQuery, values: Value[], answered: Answered): unknown;
  query(query: MysqlQuery, answered: Answered): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  release(): void;
  destroy(): void;
}

/** As much of a pool of `mysql2` (3.x) as is used: hand in yours. */
export interface MysqlPool {
  getConnection(got: (error: Error | null, connection: MysqlConnection) => void): void;
}

/** A pool of `mysql2/promise`, which has the other one within. */
export interface MysqlPromisePool {
  readonly pool: MysqlPool;
}
