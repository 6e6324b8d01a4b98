import { setTimeout as pause } from 'node:timers/promises';
import { type Millis, SessionError } from '@sessionkit/session-core';
import { down, faultOf, isSpoilt, isUndone } from './faults.js';
import type { CheckedOptions } from './options.js';
import type { MysqlConnection, MysqlPool, MysqlQuery, Value } from './pool.js';

/** Columns as text, or null. */
export type Row = readonly (string | null)[];

export interface Answer {
  readonly rows: readonly Row[];
  /** Rows that a write has found, or changed where the connection counts so. */
  readonly affected: number;
  /** Names of columns that MariaDB knows as JSON, which the driver parses on its own. */
  readonly json: readonly string[];
}

/** Asks on the connection that a transaction has. */
export type Ask = (sql: string, values?: readonly Value[]) => Promise<Answer>;

/**
 * The clock of the server in µs of the Unix epoch, as it is while a row is looked at. `sysdate` alone goes on during a statement, but only in the time zone of the
 * connection, which has hours twice: so it only tells how much has passed since the statement began, and UTC tells when that was.
 */
export const CLOCK = `(timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) + timestampdiff(microsecond, now(6), sysdate(6)))`;

/** Holds while a write is in time. It takes one parameter: {@link Database.until}. */
export const IN_TIME = `${CLOCK} < ? * 1000`;
/** The same, in ms. */
export const NOW = `(${CLOCK} div 1000)`;

/** A transaction that was undone is done again at most as often. */
const ATTEMPTS = 30;
const asIs = (_: unknown, next: () => unknown) => next();

/** Runs statements on connections of the pool; all but transactions are prepared, and one round trip each. */
export class Database {
  readonly #pool: MysqlPool;
  readonly #writeWithin: Millis;
  /** Clock of the server minus the steady clock of this process; undefined until it was read. */
  #ahead: Millis | undefined;
  #closed = false;

  constructor({ pool, writeWithin }: CheckedOptions) {
    this.#pool = pool;
    this.#writeWithin = writeWithin;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  /** @throws SessionError `BACKEND_CLOSED`; `BACKEND_DOWN` when the caller has stopped waiting. */
  check(signal?: AbortSignal): void {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this mysql backend has been closed');
    if (signal?.aborted === true) throw gaveUp(signal);
  }

  /** Reads the clock of the server, by which writes are refused that come too late. */
  async now(signal: AbortSignal): Promise<Millis> {
    const asked = performance.now();
    const { rows } = await this.run(`select ${NOW}`, [], signal);
    const now = Number(rows[0]?.[0]);
    this.#ahead = now - (asked + performance.now()) / 2;
    return now;
  }

  /** The time of the server after which a write must not be done any more that is asked for now. */
  async until(signal: AbortSignal): Promise<Millis> {
    const asked = performance.now();
    if (this.#ahead === undefined) await this.now(signal);
    return Math.ceil(asked + this.#writeWithin + (this.#ahead ?? 0));
  }

  /** Runs a write whose last parameter is that of {@link IN_TIME}; answers how many rows it found. */
  async write(sql: string, values: readonly Value[], signal: AbortSignal): Promise<number> {
    const until = await this.until(signal);
    return (await this.run(sql, [...values, until], signal)).affected;
  }

  /** @throws SessionError when that time of the server is over. */
  async mustBeInTime(until: Millis, signal: AbortSignal): Promise<void> {
    if ((await this.now(signal)) >= until) throw this.late();
  }

  /** The fault of a write that the server refused because it came too late. */
  late(): SessionError {
    // Nobody has given up, so that it may be the clock that moved: it is read again.
    this.#ahead = undefined;
    return down('a write reached MySQL too late, and was not done');
  }

  /**
   * Runs a prepared statement. When `signal` aborts before it was sent it never is; when it aborts later the connection is destroyed, since MySQL cannot take back
   * what it was sent, and what it does with it is unknown. A statement that the server undid for another one's sake is sent again.
   */
  run(sql: string, values: readonly Value[], signal: AbortSignal): Promise<Answer> {
    return this.#again(signal, (connection) => execute(connection, sql, values));
  }

  /** Runs a statement that cannot be prepared or that is only asked at the start. */
  plain(sql: string, signal: AbortSignal): Promise<Answer> {
    return this.#again(signal, (connection) => query(connection, sql));
  }

  /** Runs statements as one transaction that locks only the rows which it reads (`read committed`). */
  transaction<T>(signal: AbortSignal, work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#again(signal, async (connection) => {
      await query(connection, 'set transaction isolation level read committed');
      await query(connection, 'start transaction');
      try {
        const answer = await work((sql, values = []) => execute(connection, sql, values));
        await query(connection, 'commit');
        return answer;
      } catch (error) {
        if (!isSpoilt(error)) await query(connection, 'rollback');
        throw error;
      }
    });
  }

  async #again<T>(signal: AbortSignal, work: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#on(signal, work);
      } catch (error) {
        if (!isUndone(error) || attempt === ATTEMPTS || signal.aborted) throw error;
        await pause(Math.random() * Math.min(attempt * 4, 50));
      }
    }
  }

  #on<T>(signal: AbortSignal, work: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.check(signal);
      let connection: MysqlConnection | undefined;
      let settled = false;

      const settle = (spoilt: boolean) => {
        settled = true;
        signal.removeEventListener('abort', onAbort);
        if (connection === undefined) return;
        connection.removeListener('error', fail);
        if (spoilt) destroy(connection);
        else connection.release();
      };
      const fail = (error: unknown) => {
        if (settled) return;
        settle(isSpoilt(error));
        reject(faultOf(error));
      };
      const onAbort = () => {
        if (settled) return;
        settle(true);
        reject(gaveUp(signal));
      };

      signal.addEventListener('abort', onAbort, { once: true });
      this.#pool.getConnection((error, connected) => {
        if (error !== null && error !== undefined) return fail(error);
        if (settled) return connected.release();
        connection = connected;
        connection.on('error', fail);
        work(connection).then((answer) => {
          if (settled) return;
          settle(false);
          resolve(answer);
        }, fail);
      });
    });
  }
}

/** An error that comes after the connection was given up tells nothing new, but without a listener would end the process. */
function destroy(connection: MysqlConnection): void {
  connection.on('error', () => {});
  connection.destroy();
}

function execute(connection: MysqlConnection, sql: string, values: readonly Value[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    connection.execute(queryOf(connection, sql), [...values], (error, answer, fields) =>
      error ? reject(error) : resolve(answerOf(answer, fields)),
    );
  });
}

function query(connection: MysqlConnection, sql: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    connection.query(queryOf(connection, sql), (error, answer, fields) =>
      error ? reject(error) : resolve(answerOf(answer, fields)),
    );
  });
}

/** What an application has set for its own queries does not change what is read here. */
function queryOf(connection: MysqlConnection, sql: string): MysqlQuery {
  const { typeCast } = connection.config as { readonly typeCast?: unknown };
  return {
    sql,
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    nestTables: false,
    namedPlaceholders: false,
    typeCast: typeof typeCast === 'function' ? asIs : true,
  };
}

interface Field {
  readonly name: string;
  readonly extendedFormat?: string | undefined;
}

function answerOf(answer: unknown, fields: unknown): Answer {
  if (!Array.isArray(answer))
    return { rows: [], affected: (answer as { readonly affectedRows?: number }).affectedRows ?? 0, json: [] };
  const rows = answer.map((row: unknown[]) => row.map(textOf));
  const isJson = ({ extendedFormat }: Field) => extendedFormat === 'json';
  return { rows, affected: 0, json: (fields as Field[]).filter(isJson).map(({ name }) => name) };
}

function textOf(value: unknown): string | null {
  if (value === null) return null;
  return typeof value === 'string' ? value : String(value);
}

function gaveUp(signal: AbortSignal): SessionError {
  return down('the caller gave up waiting for MySQL', signal.reason);
}
