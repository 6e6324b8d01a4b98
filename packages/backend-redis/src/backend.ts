import type {
  Backend,
  BackendTraits,
  Change,
  Claim,
  Ending,
  Head,
  Inspectable,
  Journal,
  JournalBatch,
  JournalEntry,
  Link,
  Millis,
  Page,
  PageQuery,
  Presence,
  Query,
  SessionError,
  SessionId,
  SessionRecord,
  Sweepable,
  Touch,
  UserSlots,
  Watchable,
} from '@sessionkit/session-core';
import { bare } from './faults.js';
import { append, readJournals } from './journals.js';
import { Listing } from './listing.js';
import { Notices } from './notices.js';
import { announce, present } from './presences.js';
import { end, load, save, touch } from './records.js';
import { claim } from './slots.js';
import type { RedisStore } from './store.js';
import { sweep } from './sweep.js';

/** One instance on a Redis. The client stays its owner's: closing the backend does not close it. */
export class RedisBackend
  implements Backend, Inspectable, Sweepable, Watchable, UserSlots, Journal, Presence
{
  readonly type = 'redis';
  readonly traits: BackendTraits;
  readonly #store: RedisStore;
  readonly #listing: Listing;
  readonly #notices: Notices;
  #examined = false;

  /** Made by {@link redis}. */
  constructor(store: RedisStore) {
    this.#store = store;
    this.#listing = new Listing(store);
    this.#notices = new Notices(store);
    this.traits = {
      durable: store.options.durable,
      shared: true,
      approximate: true,
      maxRecordBytes: store.options.maxRecordBytes,
      staleness: 0,
      lateWrites: false,
    };
  }

  load(
    ids: readonly SessionId[],
    signal: AbortSignal,
  ): Promise<(SessionRecord | undefined | SessionError)[]> {
    return load(this.#store, ids, signal);
  }

  async save(record: SessionRecord, signal: AbortSignal): Promise<boolean> {
    return save(this.#store, record, signal);
  }

  async touch(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    return touch(this.#store, batch, signal);
  }

  async end(ids: readonly SessionId[], how: Ending, signal: AbortSignal): Promise<SessionId[]> {
    return end(this.#store, ids, how, signal);
  }

  /** The first call, which core makes before anything else, gives the store the scripts; and looks at how it is set up, to warn of one that evicts. */
  async now(signal: AbortSignal): Promise<Millis> {
    if (!this.#examined) {
      // A process asks before its first connection is there, which is no outage.
      await this.#store.connection.attempted(signal);
      await this.#store.teach(signal);
      this.#examined = true;
      void this.#examine();
    }
    return this.#store.now(signal);
  }

  async close(): Promise<void> {
    this.#store.close();
    this.#notices.close();
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    return this.#listing.list(query, signal);
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    return this.#listing.count(query, signal);
  }

  async sweep(deadBefore: Millis, limit: number, signal: AbortSignal): Promise<SessionId[]> {
    return sweep(this.#store, deadBefore, limit, signal);
  }

  async watch(onChange: (change: Change) => void): Promise<() => Promise<void>> {
    return this.#notices.watch(onChange);
  }

  async claim(wanted: Claim, signal: AbortSignal): Promise<SessionId[]> {
    return claim(this.#store, wanted, signal);
  }

  async append(batch: JournalBatch, signal: AbortSignal): Promise<void> {
    return append(this.#store, batch, signal);
  }

  async read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    return readJournals(this.#store, ids, signal);
  }

  async announce(process: string, links: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    return announce(this.#store, process, links, ttl, signal);
  }

  async present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    return present(this.#store, ids, signal);
  }

  async #examine(): Promise<void> {
    const { log } = this.#store.options;
    try {
      const replies = await this.#store.connection.sendToAll([['INFO', 'memory']]);
      const fault = replies.find((reply) => reply instanceof Error);
      if (fault !== undefined) throw bare(fault);
      const policies = replies.map((reply) => /^maxmemory_policy:(\S+)/m.exec(String(reply))?.[1]);
      const policy = policies.find((name) => name !== 'noeviction');
      if (policy === undefined) return;
      log({
        level: 'warning',
        message: `redis: maxmemory-policy is ${policy}: when memory runs out Redis drops sessions, and their users are logged out. Set it to noeviction`,
      });
    } catch (error) {
      if (this.#store.closed) return;
      log({ level: 'notice', message: 'redis: whether the store evicts could not be found out', error });
    }
  }
}
