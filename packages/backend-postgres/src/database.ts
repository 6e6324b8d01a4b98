import { type Millis, SessionError } from '@sessionkit/session-core';
import { cancel } from './cancel.js';
import { down, faultOf, isSpoilt } from './faults.js';
import { type CheckedOptions, digest } from './options.js';
import type { PgClient, PgPool, PgQuery, Value } from './pool.js';

/** A statement with a name of its own, by which a connection prepares it once. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Columns as the server writes them: text, or null. */
export type Row = readonly (string | null)[];

export function statement(text: string): Statement {
  return { name: `sessionkit_${digest(text)}`, text };
}

/** First column of the row that tells that a write came too late. */
export const LATE = 'late';

const CLOCK = statement(`select (extract(epoch from clock_timestamp()) * 1000)::bigint`);
// All values are read as the text that they are: faster, and the type parsers of a pool cannot interfere.
const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

/** Runs statements on connections of the pool; one statement is one transaction and one round trip. */
export class Database {
  readonly #pool: PgPool;
  readonly #prepared: boolean;
  readonly #writeWithin: Millis;
  readonly #durable: boolean;
  readonly #onPoolError: (error: Error) => void;
  /** Clock of the server minus the steady clock of this process; undefined until it was read. */
  #ahead: Millis | undefined;
  #closed = false;

  constructor({ pool, prepared, writeWithin, durable, log }: CheckedOptions) {
    this.#pool = pool;
    this.#prepared = prepared;
    this.#writeWithin = writeWithin;
    this.#durable = durable;
    // Without a listener a broken idle connection would end the process.
    this.#onPoolError = (error) =>
      log({ level: 'notice', message: `postgres: an idle connection was lost: ${error.message}` });
    pool.on('error', this.#onPoolError);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pool.removeListener('error', this.#onPoolError);
  }

  /** @throws SessionError `BACKEND_CLOSED`; `BACKEND_DOWN` when the caller has stopped waiting. */
  check(signal?: AbortSignal): void {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this postgres backend has been closed');
    if (signal?.aborted === true) throw gaveUp(signal);
  }

  /** Reads the clock of the server, by which writes are refused that come too late. */
  async now(signal: AbortSignal): Promise<Millis> {
    const asked = performance.now();
    const [row] = await this.run(CLOCK, [], signal);
    const now = Number(row?.[0]);
    this.#ahead = now - (asked + performance.now()) / 2;
    return now;
  }

  /**
   * Runs a write. Its last parameter is the time of the server after which it must not be done any more; a row that begins with {@link LATE} tells
   * that it was not.
   */
  async write(statement: Statement, values: readonly Value[], signal: AbortSignal): Promise<readonly Row[]> {
    const asked = performance.now();
    if (this.#ahead === undefined) await this.now(signal);
    const until = Math.ceil(asked + this.#writeWithin + (this.#ahead ?? 0));
    const rows = await this.run(statement, [...values, until], signal);
    if (rows.at(-1)?.[0] === LATE) throw this.late();
    return rows;
  }

  /** The fault of a write that the server refused because it came too late. */
  late(): SessionError {
    // Nobody has given up, so that it may be the clock that moved: it is read again.
    this.#ahead = undefined;
    return down('a write reached PostgreSQL too late, and was not done');
  }

  /**
   * Runs a statement. When `signal` aborts before it was sent it never is; when it aborts later the connection is destroyed, since PostgreSQL cannot take back
   * what it was sent, and what it does with it is unknown.
   */
  async run(statement: Statement, values: readonly Value[], signal: AbortSignal): Promise<readonly Row[]> {
    const { rows } = await this.#on(signal, (client) => client.query(this.#queryOf(statement, values)));
    return rows as readonly Row[];
  }

  #on<T>(signal: AbortSignal, work: (client: PgClient) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.check(signal);
      let client: PgClient | undefined;
      let settled = false;

      const settle = (spoilt?: Error) => {
        settled = true;
        signal.removeEventListener('abort', onAbort);
        if (client === undefined) return;
        client.removeListener('error', fail);
        client.release(spoilt);
      };
      const fail = (error: unknown) => {
        if (settled) return;
        settle(isSpoilt(error) ? asError(error) : undefined);
        reject(faultOf(error));
      };
      const onAbort = () => {
        if (settled) return;
        const fault = gaveUp(signal);
        if (this.#durable && client !== undefined) cancel(this.#pool, client);
        settle(fault);
        reject(fault);
      };

      signal.addEventListener('abort', onAbort, { once: true });
      this.#pool.connect().then((connected) => {
        if (settled) return connected.release();
        client = connected;
        client.on('error', fail);
        work(client).then((answer) => {
          if (settled) return;
          settle();
          resolve(answer);
        }, fail);
      }, fail);
    });
  }

  /** Runs several statements as one transaction. They cannot have parameters. */
  async script(text: string, signal: AbortSignal): Promise<void> {
    await this.#on(signal, (client) => client.query(text));
  }

  #queryOf({ name, text }: Statement, values: readonly Value[]): PgQuery {
    const query: PgQuery = { text, values: [...values], rowMode: 'array', types: AS_TEXT };
    return this.#prepared ? { name, ...query } : query;
  }
}

function gaveUp(signal: AbortSignal): SessionError {
  return down('the caller gave up waiting for PostgreSQL', signal.reason);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
