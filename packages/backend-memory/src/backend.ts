import {
  type Backend,
  type BackendTraits,
  type Change,
  type Claim,
  type Ending,
  type Head,
  headOf,
  type Inspectable,
  type Journal,
  type JournalBatch,
  type JournalEntry,
  type Link,
  type Millis,
  type Page,
  type PageQuery,
  type Presence,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
  type Sweepable,
  stopAt,
  type Touch,
  type UserSlots,
  type Watchable,
} from '@sessionkit/session-core';
import type { CheckedOptions } from './options.js';
import { Steps } from './steps.js';
import type { MemoryStore } from './store.js';

/** A session as an operator's query of another store would show it: no hash, no secret. */
export type Row = Readonly<Record<string, unknown>>;

const TRAITS: BackendTraits = {
  durable: false,
  shared: false,
  approximate: false,
  maxRecordBytes: undefined,
  staleness: 0,
  lateWrites: false,
};

/** One instance on a store in memory. Records are kept and answered by reference. */
export class MemoryBackend
  implements Backend, Inspectable, Sweepable, Watchable, UserSlots, Journal, Presence
{
  readonly type = 'memory';
  readonly traits = TRAITS;
  readonly #store: MemoryStore;
  readonly #options: CheckedOptions;
  readonly #stops = new Set<() => void>();
  #closed = false;

  /** Made by {@link memory} and {@link share}. */
  constructor(store: MemoryStore, options: CheckedOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Another instance on the same store, as another service or process would have it. Each is closed on its own. */
  share(): MemoryBackend {
    this.#check();
    return new MemoryBackend(this.#store, this.#options);
  }

  /** What is stored under `id`, with the configured names; undefined when nothing is. */
  row(id: SessionId): Row | undefined {
    this.#check();
    const record = this.#store.get(id);
    if (record === undefined) return undefined;
    const { sid, ip, start, stop } = this.#options.names;
    const { version, user, ended, data } = record;
    return {
      [sid]: id,
      user,
      ...(ip === undefined ? {} : { [ip]: record.client.ip }),
      ...(start === undefined ? {} : { [start]: record.startedAt }),
      ...(stop === undefined ? {} : { [stop]: stopAt(record) }),
      version,
      ended,
      data,
    };
  }

  async load(ids: readonly SessionId[], signal: AbortSignal): Promise<(SessionRecord | undefined)[]> {
    this.#check(signal);
    return ids.map((id) => this.#store.get(id));
  }

  async save(record: SessionRecord, signal: AbortSignal): Promise<boolean> {
    this.#check(signal);
    if (record.ended !== undefined)
      throw new SessionError(
        'INVALID_VALUE',
        'a session is ended by end(), not by saving a record with `ended`',
      );
    let answer = this.#store.save(record);
    while (answer === 'full' && (await this.#store.reclaim())) {
      this.#check(signal);
      answer = this.#store.save(record);
    }
    if (answer !== 'full') return answer;
    this.#check(signal);
    answer = this.#store.save(record, true);
    if (answer !== 'full') return answer;
    throw new SessionError('BACKEND_FULL', 'the memory backend is full of living sessions', {
      retryable: true,
    });
  }

  async touch(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    this.#check(signal);
    return this.#store.touch(batch);
  }

  async end(ids: readonly SessionId[], how: Ending, signal: AbortSignal): Promise<SessionId[]> {
    this.#check(signal);
    return this.#store.end(ids, how);
  }

  async now(signal: AbortSignal): Promise<Millis> {
    this.#check(signal);
    return this.#options.now();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    this.#stops.clear();
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    this.#check(signal);
    const { limit } = query;
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SessionError('INVALID_VALUE', `limit must be a whole number of at least 1, not ${limit}`);
    const items: Head[] = [];
    let more = false;
    const from = query.after === undefined ? '' : justAfter(query.after);
    await this.#each(query, from, signal, (record) => {
      more = items.length === limit;
      if (!more) items.push(headOf(record));
      return !more;
    });
    return { items, next: more ? items.at(-1)?.id : undefined };
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    this.#check(signal);
    let { count, from } = this.#store.shards.surely(query);
    if (from !== undefined)
      await this.#each(query, from, signal, () => {
        count++;
        return true;
      });
    return count;
  }

  async sweep(deadBefore: Millis, limit: number, signal: AbortSignal): Promise<SessionId[]> {
    this.#check(signal);
    return this.#store.sweep(deadBefore, limit, () => this.#check(signal));
  }

  async watch(onChange: (change: Change) => void): Promise<() => Promise<void>> {
    this.#check();
    const stop = this.#store.notices.listen(onChange, this.#options.log);
    this.#stops.add(stop);
    return async () => {
      stop();
      this.#stops.delete(stop);
    };
  }

  async claim(claim: Claim, signal: AbortSignal): Promise<SessionId[]> {
    this.#check(signal);
    return this.#store.slots.claim(claim);
  }

  async append(batch: JournalBatch, signal: AbortSignal): Promise<void> {
    this.#check(signal);
    this.#store.append(batch);
  }

  async read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    this.#check(signal);
    return ids.map((id) => this.#store.journal(id));
  }

  async announce(process: string, links: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    this.#check(signal);
    await this.#store.presences.announce(process, links, ttl);
  }

  async present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    this.#check(signal);
    return this.#store.presences.present(ids);
  }

  /** Hands the matching records to `take` in order of their ids, until it answers false; in steps. */
  async #each(
    query: Query,
    from: string,
    signal: AbortSignal,
    take: (record: SessionRecord) => boolean,
  ): Promise<void> {
    const steps = new Steps();
    let next: string | undefined = from;
    while (next !== undefined) {
      const start: string = next;
      next = undefined;
      for (const id of this.#store.shards.matching(query, start)) {
        const record = this.#store.get(id);
        if (record === undefined || !startedBefore(record, query.startedBefore)) continue;
        if (!take(record)) return;
        if (!steps.over()) continue;
        next = justAfter(id);
        break;
      }
      if (next === undefined) return;
      await steps.rest();
      this.#check(signal);
    }
  }

  #check(signal?: AbortSignal): void {
    if (this.#closed) throw new SessionError('BACKEND_CLOSED', 'this memory backend has been closed');
    if (signal?.aborted === true)
      throw new SessionError('BACKEND_FAILED', 'the caller gave up before the memory backend was asked', {
        retryable: true,
        cause: signal.reason,
      });
  }
}

function startedBefore({ startedAt }: SessionRecord, time: Millis | undefined): boolean {
  return time === undefined || startedAt < time;
}

/** The smallest text that is greater than `id`. */
function justAfter(id: SessionId): string {
  return `${id}\0`;
}
