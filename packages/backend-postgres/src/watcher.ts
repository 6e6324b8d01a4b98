import type { Change, LogEntry, Millis, SessionId } from '@sessionkit/session-core';
import { faultOf } from './faults.js';
import type { PgListener, PgPool } from './pool.js';

type Listener = (change: Change) => void;

const RETRY: Millis = 250;
/** A connection that only listens does not notice that the other side has gone: it is asked now and then. */
const PING: Millis = 10_000;
const PATIENCE: Millis = 2_000;

interface WithClient {
  readonly Client: new (options: object) => PgListener;
}

/**
 * Listens for notices on a connection of its own, opened with the first listener and closed with the last. A lost one is opened again until it
 * is there; what was said meanwhile is lost, as notices may be.
 */
export class Watcher {
  readonly #pool: PgPool;
  readonly #channel: string;
  readonly #log: (entry: LogEntry) => void;
  readonly #listeners = new Set<Listener>();
  #connection: PgListener | undefined;
  #connecting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The loss of the connection was logged, and it is not back. */
  #deaf = false;

  constructor(pool: PgPool, channel: string, log: (entry: LogEntry) => void) {
    this.#pool = pool;
    this.#channel = channel;
    this.#log = log;
  }

  /** Resolves when notices arrive, or when the server is not reachable: then they will once it is. */
  async listen(onChange: Listener): Promise<() => Promise<void>> {
    const listener: Listener = (change) => onChange(change);
    this.#listeners.add(listener);
    await this.#connected();
    return async () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) await this.close();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    clearTimeout(this.#timer);
    await this.#connecting;
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    await within(connection.end()).catch(() => undefined);
    destroy(connection);
  }

  #connected(): Promise<void> {
    if (this.#connection !== undefined) return Promise.resolve();
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    // The very class and options that the pool makes its own connections with.
    const { Client } = this.#pool as PgPool & WithClient;
    const connection = new Client(this.#pool.options);
    const gone = (error?: Error) => this.#lost(connection, error);
    connection.on('error', gone);
    connection.on('end', gone);
    connection.on('notification', (notice: { channel: string; payload?: string }) => {
      if (notice.channel === this.#channel) this.#deliver(notice.payload ?? '');
    });
    this.#connection = connection;
    try {
      await within(connection.connect());
      await within(connection.query(`listen "${this.#channel}"`));
      this.#deaf = false;
      if (this.#connection === connection) this.#later(PING, () => this.#ping(connection));
    } catch (error) {
      this.#lost(connection, error);
    }
  }

  async #ping(connection: PgListener): Promise<void> {
    try {
      await within(connection.query('select 1'));
      if (this.#connection === connection) this.#later(PING, () => this.#ping(connection));
    } catch (error) {
      this.#lost(connection, error);
    }
  }

  #lost(connection: PgListener, error: unknown): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    // Ending a connection that is broken may fail as well, and tells nothing new. One that is silent would take it, and stay open.
    connection.end().catch(() => undefined);
    destroy(connection);
    if (this.#listeners.size === 0) return;
    if (!this.#deaf)
      this.#log({ level: 'warning', message: 'postgres: no notices of changes', error: faultOf(error) });
    this.#deaf = true;
    this.#later(RETRY, () => this.#connected());
  }

  #later(after: Millis, task: () => Promise<void>): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void task(), after);
    this.#timer.unref();
  }

  #deliver(payload: string): void {
    const change = changeOf(payload);
    if (change === undefined) return;
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#log({
          level: 'error',
          message: 'a listener for changes of the postgres backend failed',
          session: change.id,
          error,
        });
      }
    }
  }
}

/** A notice of ours; undefined for one that somebody else sent on the channel. */
function changeOf(payload: string): Change | undefined {
  try {
    const { id, version, what, cause } = JSON.parse(payload) as Partial<Change>;
    if (typeof id !== 'string' || (what !== 'saved' && what !== 'ended')) return undefined;
    return { id: id as SessionId, version: Number(version), what, cause };
  } catch {
    return undefined;
  }
}

function destroy({ connection }: PgListener): void {
  connection?.stream.destroy();
}

async function within<T>(doing: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    return await Promise.race([doing, late]);
  } finally {
    clearTimeout(timer);
  }
}
