import type {
  Backend,
  BackendTraits,
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
  Touch,
} from '@sessionkit/session-core';
import { append, readJournals } from './journal.js';
import { Listing } from './listing.js';
import { announce, present } from './presence.js';
import { end, load, save, touch } from './records.js';
import { type MemcacheStore, throwIfNone } from './store.js';

/** Sessions in memcached. The clients stay their owner's: closing the backend does not shut them down. */
export class MemcacheBackend implements Backend, Inspectable, Journal, Presence {
  readonly type = 'memcache';
  readonly traits: BackendTraits;
  readonly #store: MemcacheStore;
  readonly #listing: Listing;
  #examined = false;

  /** Made by {@link memcache}. */
  constructor(store: MemcacheStore) {
    this.#store = store;
    this.#listing = new Listing(store);
    this.traits = {
      durable: false,
      shared: true,
      approximate: true,
      maxRecordBytes: store.options.maxRecordBytes,
      staleness: 0,
      lateWrites: true,
    };
  }

  async load(
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

  /** There is no clock of the store, but it is asked whether it is there. The first call also looks at how the servers are set up, to warn. */
  async now(signal: AbortSignal): Promise<Millis | undefined> {
    this.#store.check(signal);
    const { members } = this.#store.ring;
    const answers = await Promise.all(
      members.map((server) => server.stats('', signal).catch((fault: SessionError) => fault)),
    );
    throwIfNone(answers);
    if (!this.#examined) {
      this.#examined = true;
      for (const [at, answer] of answers.entries())
        if (!(answer instanceof Error)) void this.#examine(at, answer);
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#store.close();
    this.#listing.close();
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    return this.#listing.list(query, signal);
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    return this.#listing.count(query, signal);
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

  async #examine(at: number, stats: Readonly<Record<string, string>>): Promise<void> {
    const { ring, options } = this.#store;
    const server = ring.members[at];
    if (server === undefined) return;
    const warn = (message: string) =>
      options.log({ level: 'warning', message: `memcache: ${server.name} ${message}` });
    try {
      const settings = await server.stats(' settings', AbortSignal.timeout(EXAMINED_WITHIN));
      const most = Number(settings.item_size_max);
      if (Number(stats.evictions) > 0)
        warn(
          `has evicted ${stats.evictions} values since its start: sessions are among them, and their users are logged out. Give it more memory (-m)`,
        );
      else if (settings.evictions !== 'off')
        warn(
          `evicts: when its memory (${Math.round(Number(settings.maxbytes) / MIB)} MiB) is full it drops sessions, and their users are logged out. Give it enough (-m). With -M it refuses new sessions instead, and last uses as well: who is active is then logged out as idle`,
        );
      if (most < options.maxRecordBytes + ITEM_OVERHEAD)
        warn(`takes values of ${most} bytes at most (-I): maxRecordBytes must be less by ${ITEM_OVERHEAD}`);
      if (settings.lru_crawler === 'no' || settings.dump_enabled === 'no')
        warn(
          'gives no list of its keys: sessions cannot be listed. Start it with lru_crawler and without -X',
        );
    } catch (error) {
      if (this.#store.closed) return;
      options.log({
        level: 'notice',
        message: `memcache: how ${server.name} is set up could not be found out`,
        error,
      });
    }
  }
}

const EXAMINED_WITHIN: Millis = 2_000;
const MIB = 1_048_576;
/** What a server adds to a value and its key. */
const ITEM_OVERHEAD = 100;
