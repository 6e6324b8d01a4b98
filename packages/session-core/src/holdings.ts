import { type Backend, can, type Link } from './backend.js';
import type { Millis } from './environment.js';
import type { SessionId } from './id.js';

/** An open link of a session to a server. */
export interface ConnectionInfo {
  readonly server: string;
  /** Of this process, and of one connection for as long as it is open. */
  readonly connectionId: number;
  /** TLS cipher, `''` without TLS. */
  readonly cipher: string;
  /** Since the connection first served the session: operations and bytes as the session caused them. */
  readonly statistics: {
    /** Chunks of answers taken from the server. */
    readonly reads: number;
    readonly readBytes: number;
    /** Chunks of requests given to the server. */
    readonly writes: number;
    readonly writtenBytes: number;
    /** Writes to the client that had to wait in memory. */
    readonly bufferedWrites: number;
    /** Times that the server was held back because the client did not read. */
    readonly highWaterEvents: number;
    /** Times that it was let go on. */
    readonly lowWaterEvents: number;
  };
}

/** What one process holds of a session. */
export interface Holding {
  readonly connections: readonly ConnectionInfo[];
  /** Reads and writes in the last 30 s. */
  readonly ioActivity: number;
  /** Bytes that wait in buffers for a slow client or server. */
  readonly buffered: number;
}

/** Whoever holds something of sessions, such as a router. */
export interface HoldingSource {
  /** Sessions that it holds something of. */
  sessions(): Iterable<SessionId>;
  holding(id: SessionId): Holding | undefined;
}

/** What a process has told of a session that it holds. */
export interface Held extends Holding {
  /** The process: a name that is its own, and its number in its machine. */
  readonly process: string;
  readonly pid: number;
  readonly since: Millis;
  /** Why the filters that an operator gave the session are not open there. */
  readonly pending: string | undefined;
}

export interface HoldingsStore {
  readonly backend: Backend;
  now(): Millis;
  call<T>(what: string, verb: (signal: AbortSignal) => Promise<T>): Promise<T>;
  complain(message: string, error: unknown): void;
}

/** What a process holds of sessions besides the {@link HoldingSource}s: its visits under way. */
export interface OtherHolds {
  readonly ids: Iterable<SessionId>;
  has(id: SessionId): boolean;
  /** Why the filters of a session are not open. */
  pending(id: SessionId): string | undefined;
}

/** How long what a process has told counts: a process that was killed vanishes after it. */
const LEASE: Millis = 10_000;
/** Sessions told of at a time: what is told leaves every second, whole. */
const MOST_TOLD = 5_000;
/** Told again after it, also when nothing has changed. */
const RENEWED: Millis = 3_000;
const NOTHING: Holding = { connections: [], ioActivity: 0, buffered: 0 };

/** What this process holds of sessions, told to the others by the store's presence. */
export class Holdings {
  readonly #store: HoldingsStore;
  readonly #process: string;
  readonly #sources = new Set<HoldingSource>();
  /** Those that take nothing new, until they hold nothing. */
  readonly #leaving = new Set<HoldingSource>();
  readonly #since = new Map<SessionId, Millis>();
  /** Sessions with an open hold besides those of the sources, and why their filters are not open. */
  readonly #others: OtherHolds;
  #told = '[]';
  #toldAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(store: HoldingsStore, process: string, others: OtherHolds) {
    this.#store = store;
    this.#process = process;
    this.#others = others;
  }

  /** Answers how to say that the source takes nothing new: then it is forgotten when it holds nothing any more. */
  add(source: HoldingSource): () => void {
    this.#sources.add(source);
    return () => this.#leaving.add(source);
  }

  /** What this process holds of a session at this moment; undefined when it holds nothing. */
  own(id: SessionId): Held | undefined {
    const parts = [...this.#sources].flatMap((source) => source.holding(id) ?? []);
    const pending = this.#others.pending(id);
    if (parts.length === 0 && pending === undefined && !this.#others.has(id)) return undefined;
    return this.#describe(id, parts, pending);
  }

  /** What the store knows of other processes, and this one now. */
  async of(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, readonly Held[]>> {
    const found = new Map<SessionId, Held[]>(ids.map((id) => [id, []]));
    const { backend } = this.#store;
    if (can(backend, 'presence')) {
      const links = await this.#store.call('present', (signal) => backend.present(ids, signal));
      for (const link of links) {
        if (link.process === this.#process) continue;
        const held = heldOf(link);
        if (held !== undefined) found.get(link.id)?.push(held);
      }
    }
    for (const id of ids) {
      const own = this.own(id);
      if (own !== undefined) found.get(id)?.push(own);
    }
    return found;
  }

  /** Tells what has changed, and all of it now and then. Never rejects. */
  async announce(): Promise<void> {
    const { backend } = this.#store;
    for (const source of this.#leaving) if (isEmpty(source)) this.#forget(source);
    if (!can(backend, 'presence')) return;
    const links = this.#links();
    const text = JSON.stringify(links);
    const now = this.#store.now();
    const renew = links.length > 0 && now - this.#toldAt >= RENEWED;
    if (text === this.#told && !renew) return;
    try {
      await this.#store.call('announce', (signal) => backend.announce(this.#process, links, LEASE, signal));
      this.#told = text;
      this.#toldAt = now;
    } catch (error) {
      this.#store.complain('telling which sessions are held here failed; it is tried again', error);
    }
  }

  /** Nothing is held here any more. */
  async leave(): Promise<void> {
    const { backend } = this.#store;
    if (this.#told === '[]' || !can(backend, 'presence')) return;
    this.#told = '[]';
    await this.#store.call('announce', (signal) => backend.announce(this.#process, [], LEASE, signal));
  }

  #forget(source: HoldingSource): void {
    this.#leaving.delete(source);
    this.#sources.delete(source);
  }

  #links(): Link[] {
    const ids = new Set<SessionId>(this.#others.ids);
    for (const source of this.#sources) for (const id of source.sessions()) ids.add(id);
    for (const id of this.#since.keys()) if (!ids.has(id)) this.#since.delete(id);
    if (ids.size > MOST_TOLD)
      this.#store.complain(
        `${ids.size} sessions are held here; of ${MOST_TOLD} other processes are told`,
        undefined,
      );
    return [...ids].slice(0, MOST_TOLD).flatMap((id) => {
      const held = this.own(id);
      if (held === undefined) return [];
      const { process, since, ...detail } = held;
      return [{ id, process, since, detail }];
    });
  }

  #describe(id: SessionId, parts: readonly Holding[], pending: string | undefined): Held {
    let since = this.#since.get(id);
    if (since === undefined) {
      since = this.#store.now();
      this.#since.set(id, since);
    }
    const all = parts.length === 0 ? [NOTHING] : parts;
    return {
      process: this.#process,
      pid: process.pid,
      since,
      pending,
      connections: all.flatMap(({ connections }) => connections),
      ioActivity: all.reduce((sum, { ioActivity }) => sum + ioActivity, 0),
      buffered: all.reduce((sum, { buffered }) => sum + buffered, 0),
    };
  }
}

function isEmpty(source: HoldingSource): boolean {
  for (const _ of source.sessions()) return false;
  return true;
}

/** Undefined for what another version has written in another form. */
function heldOf({ process, since, detail }: Link): Held | undefined {
  const { connections, ioActivity, buffered, pid, pending } = detail;
  if (!Array.isArray(connections) || typeof ioActivity !== 'number') return undefined;
  return {
    process,
    since,
    connections: connections as readonly ConnectionInfo[],
    ioActivity,
    buffered: Number(buffered) || 0,
    pid: Number(pid) || 0,
    pending: typeof pending === 'string' ? pending : undefined,
  };
}
