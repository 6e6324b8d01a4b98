import type {
  Backend,
  BackendTraits,
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
  Touch,
  UserSlots,
} from '@sessionkit/session-core';
import { Journals } from './journal.js';
import { Listing } from './listing.js';
import { Presences } from './presence.js';
import { Records } from './records.js';
import { Slots } from './slots.js';
import { LARGEST, type Store } from './store.js';
import { Users } from './users.js';

/** Sessions as documents of Couchbase. Documents of one verb travel together; the SDK pipelines them. */
export class CouchbaseBackend implements Backend, Inspectable, UserSlots, Journal, Presence {
  readonly type = 'couchbase';
  readonly traits: BackendTraits;
  readonly #store: Store;
  readonly #records: Records;
  readonly #listing: Listing;
  readonly #slots: Slots;
  readonly #journals: Journals;
  readonly #presences: Presences;

  /** Made by {@link couchbase}. */
  constructor(store: Store) {
    const users = new Users(store);
    this.#store = store;
    this.#records = new Records(store, users);
    this.#listing = new Listing(store, this.#records, users);
    this.#slots = new Slots(this.#records, users);
    this.#journals = new Journals(store, this.#records);
    this.#presences = new Presences(store);
    this.traits = {
      durable: store.options.level !== undefined,
      shared: true,
      approximate: true,
      maxRecordBytes: LARGEST,
      staleness: 0,
      lateWrites: true,
    };
  }

  load(
    ids: readonly SessionId[],
    signal: AbortSignal,
  ): Promise<(SessionRecord | undefined | SessionError)[]> {
    return this.#store.verb('load', signal, (call) => this.#records.load(call, ids));
  }

  save(record: SessionRecord, signal: AbortSignal): Promise<boolean> {
    return this.#store.verb('save', signal, (call) => this.#records.save(call, record));
  }

  touch(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    return this.#store.verb('touch', signal, (call) => this.#records.touch(call, batch));
  }

  end(ids: readonly SessionId[], how: Ending, signal: AbortSignal): Promise<SessionId[]> {
    return this.#store.verb('end', signal, (call) => this.#records.end(call, ids, how));
  }

  /** Couchbase tells no client its time, but it is asked whether it is there. */
  now(signal: AbortSignal): Promise<Millis | undefined> {
    return this.#store.verb('now', signal, async (call) => {
      await call.get(this.#store.options.keys.processes);
      return undefined;
    });
  }

  async close(): Promise<void> {
    this.#store.close();
  }

  list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    return this.#store.verb('list', signal, (call) => this.#listing.list(call, query));
  }

  count(query: Query, signal: AbortSignal): Promise<number> {
    return this.#store.verb('count', signal, (call) => this.#listing.count(call, query));
  }

  claim(claim: Claim, signal: AbortSignal): Promise<SessionId[]> {
    return this.#store.verb('claim', signal, (call) => this.#slots.claim(call, claim));
  }

  append(batch: JournalBatch, signal: AbortSignal): Promise<void> {
    return this.#store.verb('append', signal, (call) => this.#journals.append(call, batch));
  }

  read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    return this.#store.verb('read', signal, (call) => this.#journals.read(call, ids));
  }

  announce(process: string, links: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    return this.#store.verb('announce', signal, (call) =>
      this.#presences.announce(call, process, links, ttl),
    );
  }

  present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    return this.#store.verb('present', signal, (call) => this.#presences.present(call, ids));
  }
}
