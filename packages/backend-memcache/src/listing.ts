import {
  type Head,
  headOf,
  type Millis,
  type Page,
  type PageQuery,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { onAbort } from './aborts.js';
import { dump, Ids } from './dump.js';
import { gaveUp } from './faults.js';
import { load } from './records.js';
import type { MemcacheStore } from './store.js';

const CHUNK = 500;
/** For so long the pages that follow a first one go on in the same dump. */
const KEPT: Millis = 5_000;

/** One dump of all servers, for all who asked before it began. */
interface Dump {
  readonly ids: Promise<Ids>;
  readonly stop: AbortController;
  callers: number;
  begun: boolean;
}

/** Lists and counts by the servers' own dumps of their keys: one dump at a time, of which only ids are kept. */
export class Listing {
  readonly #store: MemcacheStore;
  #last: Promise<unknown> = Promise.resolve();
  #next: Dump | undefined;
  #kept: { readonly ids: Ids; readonly until: number } | undefined;
  #forget: NodeJS.Timeout | undefined;

  constructor(store: MemcacheStore) {
    this.#store = store;
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    this.#store.check(signal);
    const { limit, after } = query;
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SessionError('INVALID_VALUE', `limit must be a whole number of at least 1, not ${limit}`);
    const kept = after === undefined ? undefined : this.#recent();
    const ids = kept ?? (await this.#ids(signal));
    const items: Head[] = [];
    for await (const record of this.#matching(ids, query, Math.min(limit + 1, CHUNK), signal)) {
      if (items.length === limit) return { items, next: items.at(-1)?.id };
      items.push(headOf(record));
    }
    return { items, next: undefined };
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    this.#store.check(signal);
    const ids = await this.#ids(signal);
    if (Object.values(query).every((condition) => condition === undefined)) return distinct(ids);
    let count = 0;
    for await (const _ of this.#matching(ids, query, CHUNK, signal)) count++;
    return count;
  }

  close(): void {
    clearTimeout(this.#forget);
    this.#kept = undefined;
  }

  /** Sessions that match, in the order of their ids, read in chunks of `size`. */
  async *#matching(
    ids: Ids,
    query: Query & Pick<Partial<PageQuery>, 'after'>,
    size: number,
    signal: AbortSignal,
  ): AsyncGenerator<SessionRecord, undefined> {
    let chunk: SessionId[] = [];
    for (const id of ids.behind(query.after)) {
      chunk.push(id);
      if (chunk.length < size) continue;
      yield* await this.#those(chunk, query, signal);
      chunk = [];
    }
    if (chunk.length > 0) yield* await this.#those(chunk, query, signal);
    return undefined;
  }

  async #those(ids: readonly SessionId[], query: Query, signal: AbortSignal): Promise<SessionRecord[]> {
    const records: SessionRecord[] = [];
    for (const found of await load(this.#store, ids, signal)) {
      // What cannot be understood is told to whoever loads it. A server that is away would make the list short.
      if (found instanceof SessionError && found.code !== 'RECORD_CORRUPT') throw found;
      if (found !== undefined && !(found instanceof SessionError) && matches(found, query))
        records.push(found);
    }
    return records;
  }

  #recent(): Ids | undefined {
    return this.#kept !== undefined && performance.now() < this.#kept.until ? this.#kept.ids : undefined;
  }

  /** The ids of now. Whoever asks while a dump is under way waits for the next one, with all others who do: the present one may have passed what they look for. */
  #ids(signal: AbortSignal): Promise<Ids> {
    if (this.#next === undefined || this.#next.begun) this.#next = this.#dump();
    const dump = this.#next;
    dump.callers += 1;
    return new Promise((resolve, reject) => {
      const stay = onAbort(signal, () => {
        dump.callers -= 1;
        if (dump.callers === 0) {
          dump.stop.abort();
          // Nobody may join what has been given up.
          if (this.#next === dump) this.#next = undefined;
        }
        reject(gaveUp());
      });
      dump.ids.then(resolve, reject).finally(stay);
    });
  }

  #dump(): Dump {
    const stop = new AbortController();
    const begin = async () => {
      made.begun = true;
      const ids = new Ids();
      const { ring, options } = this.#store;
      await Promise.all(ring.members.map(({ place }) => dump(place, options.prefix, ids, stop.signal)));
      this.#keep(ids);
      return ids;
    };
    const made: Dump = { ids: this.#last.then(begin), stop, callers: 0, begun: false };
    this.#last = made.ids.catch(() => undefined);
    return made;
  }

  #keep(ids: Ids): void {
    if (this.#store.closed) return;
    clearTimeout(this.#forget);
    this.#kept = { ids, until: performance.now() + KEPT };
    this.#forget = setTimeout(() => {
      this.#kept = undefined;
    }, KEPT);
    this.#forget.unref();
  }
}

function distinct(ids: Ids): number {
  let count = 0;
  for (const _ of ids.behind(undefined)) count++;
  return count;
}

function matches(record: SessionRecord, { service, user, state, startedBefore }: Query): boolean {
  return (
    (service === undefined || record.service === service) &&
    (user === undefined || record.user === user) &&
    (state === undefined || (state === 'ended') === (record.ended !== undefined)) &&
    (startedBefore === undefined || record.startedAt < startedBefore)
  );
}
