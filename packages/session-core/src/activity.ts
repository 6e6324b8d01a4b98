import { type Backend, can, type JournalBatch, type JournalEntry } from './backend.js';
import type { LogLevel, Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import { lineEntry, type Statement, statementEntry } from './journal.js';
import { SingleFile } from './single-file.js';

/** How much of what a session does is kept for operators: 0 keeps nothing. No more than 100 of both together are. */
export interface Kept {
  /** Its last requests (`retain_last_statements`). */
  readonly statements: number;
  /** The last lines of its log (`session_trace`). */
  readonly lines: number;
}

/** What activity needs of its store. */
export interface ActivityStore {
  readonly backend: Backend;
  now(): Millis;
  writeId(): string;
  call<T>(what: string, verb: (signal: AbortSignal) => Promise<T>): Promise<T>;
  complain(message: string, error: unknown): void;
}

/** One request of a session while it is noted. */
export interface NotedRequest {
  /** A server has given its answer's head. */
  answered(server: string): void;
  /** The answer is finished or cut. */
  end(): void;
}

/** Entries of one batch; a store takes it whole or not. */
const BATCH = 500;
/** Entries that wait for a store that does not answer. The oldest are given up: they are a picture, and no account. */
const WAITING = 10_000;

/**
 * What sessions do here, on its way to the journal of the store, where operators of any process read it. Nothing of it is written on the request path:
 * it leaves with the touches.
 */
export class Activity {
  readonly #store: ActivityStore;
  /** Requests under way, and whether the journal knows that they are. */
  readonly #running = new Map<Noted, boolean>();
  #waiting: JournalEntry[] = [];
  /** Sent, and not answered: sent again as it is. */
  #unsure: JournalBatch | undefined;
  #dropped = 0;
  readonly #flushes = new SingleFile(() => this.#flush());

  constructor(store: ActivityStore) {
    this.#store = store;
  }

  /** Undefined when nothing is kept of it. */
  begin(session: SessionId, statement: string, kept: Kept): NotedRequest | undefined {
    if (kept.statements <= 0 || !can(this.#store.backend, 'journal')) return undefined;
    const noted = new Noted(session, statement, kept.statements, this.#store, (each) => {
      this.#running.delete(each);
      this.#keep(each.entry());
    });
    this.#running.set(noted, false);
    return noted;
  }

  /** Adds a line to the log of a session. */
  line(session: SessionId, level: LogLevel, text: string, kept: Kept): void {
    if (kept.lines <= 0 || !can(this.#store.backend, 'journal')) return;
    this.#keep(lineEntry(session, this.#store.now(), level, text, kept.lines));
  }

  /** What the journal has of sessions, and what it does not have yet; in the order of `ids`. @throws SessionError `BACKEND_*` */
  async read(ids: readonly SessionId[]): Promise<readonly (readonly JournalEntry[])[]> {
    const { backend } = this.#store;
    if (!can(backend, 'journal')) return [];
    const read = await this.#store.call('read', (signal) => backend.read(ids, signal));
    return ids.map((id, at) => {
      const stored = read[at] ?? [];
      const known = new Set(stored.map(({ at, text }) => `${at} ${text}`));
      return [...stored, ...this.#fresh(id).filter(({ at, text }) => !known.has(`${at} ${text}`))];
    });
  }

  /** Requests of a session that run here now, and lines and requests that the journal does not have yet. */
  #fresh(session: SessionId): readonly JournalEntry[] {
    const sent = this.#unsure?.entries ?? [];
    const entries = [...sent, ...this.#waiting].filter(({ id }) => id === session);
    for (const noted of this.#running.keys()) if (noted.session === session) entries.push(noted.entry());
    return entries;
  }

  /** Writes what waits. Never rejects: what could not be written waits for the next time. */
  flush(): Promise<void> {
    return this.#flushes.run();
  }

  async #flush(): Promise<void> {
    const { backend } = this.#store;
    if (!can(backend, 'journal')) return;
    for (const [noted, told] of this.#running) {
      if (told) continue;
      this.#running.set(noted, true);
      this.#keep(noted.entry());
    }
    if (this.#dropped > 0) {
      this.#store.complain(`${this.#dropped} entries of session journals were given up`, undefined);
      this.#dropped = 0;
    }
    try {
      while (this.#unsure !== undefined || this.#waiting.length > 0) {
        this.#unsure ??= { batchId: this.#store.writeId(), entries: this.#waiting.splice(0, BATCH) };
        const batch = this.#unsure;
        await this.#store.call('append', (signal) => backend.append(batch, signal));
        this.#unsure = undefined;
      }
    } catch (error) {
      // Whether it was taken is not known: the same batch goes again. One that is refused would be refused for ever.
      if (error instanceof SessionError && !error.retryable) this.#unsure = undefined;
      this.#store.complain('writing what sessions do failed; it is tried again', error);
    }
  }

  #keep(entry: JournalEntry): void {
    this.#waiting.push(entry);
    if (this.#waiting.length <= WAITING) return;
    this.#waiting.splice(0, this.#waiting.length - WAITING);
    this.#dropped += 1;
  }
}

class Noted implements NotedRequest {
  readonly session: SessionId;
  readonly #statement: string;
  readonly #most: number;
  readonly #store: ActivityStore;
  readonly #onEnd: (noted: Noted) => void;
  readonly #received: Millis;
  readonly #id: string;
  #completed: Millis | undefined;
  #responses: Statement['responses'] = [];

  constructor(
    session: SessionId,
    statement: string,
    most: number,
    store: ActivityStore,
    onEnd: (noted: Noted) => void,
  ) {
    this.session = session;
    this.#statement = statement;
    this.#most = most;
    this.#store = store;
    this.#onEnd = onEnd;
    this.#received = store.now();
    this.#id = store.writeId();
  }

  answered(server: string): void {
    const duration = Math.max(0, this.#store.now() - this.#received);
    this.#responses = [...this.#responses, { server, duration }];
  }

  end(): void {
    if (this.#completed !== undefined) return;
    this.#completed = Math.max(this.#received, this.#store.now());
    this.#onEnd(this);
  }

  entry(): JournalEntry {
    const statement: Statement = {
      id: this.#id,
      statement: this.#statement,
      received: this.#received,
      completed: this.#completed,
      responses: this.#responses,
    };
    return statementEntry(this.session, statement, this.#most);
  }
}
