import {
  firstIdAt,
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
import { hasEnded, unpack, unstorable } from './codec.js';
import { behind, idOf, timeOf } from './entries.js';
import type { RedisStore } from './store.js';

const CHUNK = 500;
/** An entry without its session may be one whose session is on its way; only older ones are dropped. */
const GHOST_AGE: Millis = 60_000;
/** An id is made at the start of its session, or a little later. */
const ID_LATE: Millis = 60_000;
const LAST_TIME = 2 ** 48 - 1;

/** Lists and counts from the indexes: what is read is the page, not the store. */
export class Listing {
  readonly #store: RedisStore;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    this.#store.check(signal);
    const { limit, after } = query;
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SessionError('INVALID_VALUE', `limit must be a whole number of at least 1, not ${limit}`);
    const items: Head[] = [];
    for await (const record of this.#matching(
      query,
      after === undefined ? '-' : behind(after),
      limit + 1,
      signal,
    )) {
      if (items.length === limit) return { items, next: items.at(-1)?.id };
      items.push(headOf(record));
    }
    return { items, next: undefined };
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    this.#store.check(signal);
    const { user, state, startedBefore } = query;
    if (isNobody(query)) return 0;
    // A user has few sessions, so they are looked at: there is no index of a user within a service, and entries without their session do not count.
    if (user !== undefined) return this.#counted(query, '-', signal);
    const surely = startedBefore === undefined ? '+' : `(${idAt(startedBefore)}`;
    const length = async (ended: boolean) =>
      Number(
        await this.#store.send(
          'count',
          ['ZLEXCOUNT', this.#store.keys.index(query, ended), '-', surely],
          signal,
        ),
      );
    const known = state === 'ended' ? await length(true) : await length(false);
    const ended = state === 'open' ? await length(true) : 0;
    const rest =
      startedBefore === undefined ? 0 : await this.#counted(query, `[${idAt(startedBefore)}`, signal);
    return known - ended + rest;
  }

  async #counted(query: Query, from: string, signal: AbortSignal): Promise<number> {
    let count = 0;
    for await (const _ of this.#matching(query, from, CHUNK, signal)) count++;
    return count;
  }

  /** The sessions that match, without their data, in order of their ids; `wanted` is how many the caller is likely to take. */
  async *#matching(
    query: Query,
    from: string,
    wanted: number,
    signal: AbortSignal,
  ): AsyncGenerator<SessionRecord, undefined> {
    const { startedBefore } = query;
    if (isNobody(query)) return;
    const key = this.#store.keys.index(query, query.state === 'ended');
    const to =
      startedBefore === undefined || startedBefore + ID_LATE > LAST_TIME
        ? '+'
        : `(${idAt(startedBefore + ID_LATE)}`;
    let size = Math.min(wanted, CHUNK);
    let start = from;
    let last: SessionId | undefined;
    for (;;) {
      const range = ['ZRANGEBYLEX', key, start, to, 'LIMIT', '0', `${size}`];
      const members = (await this.#store.send('list', range, signal)) as string[];
      const ids = members.map(idOf);
      const found = await this.#store.members(ids, query.state === 'open' ? 'open' : 'head', signal);
      const matching: SessionRecord[] = [];
      const strangers: string[] = [];
      const repeated: string[] = [];
      for (const [at, id] of ids.entries()) {
        const read = found[at];
        // What cannot be understood is told to whoever loads it.
        if (read === undefined || read instanceof SessionError) continue;
        if (query.state === 'open' && hasEnded(read)) continue;
        const record = unpack(id, read);
        if (record instanceof SessionError) continue;
        if (id === last) repeated.push(members[at] as string);
        else if (record === undefined || !belongs(record, query)) strangers.push(members[at] as string);
        else if (matches(record, query)) matching.push(record);
        last = id;
      }
      // Before anything is handed out: whoever has enough does not come back.
      if (strangers.length > 0) await this.#drop(key, strangers, query, signal);
      if (repeated.length > 0) await this.#store.send('list', ['ZREM', key, ...repeated], signal);
      yield* matching;
      const end = members.at(-1);
      if (end === undefined || members.length < size) return undefined;
      start = `(${end}`;
      // Sessions that have ended stand in front of the living, as many as are kept.
      if (matching.length * 2 < size) size = Math.min(size * 2, CHUNK);
    }
  }

  /** Takes old entries without their session out of an index, and puts those back whose session is there after all. */
  async #drop(key: string, members: readonly string[], query: Query, signal: AbortSignal): Promise<void> {
    const before = (await this.#store.time(signal)) - GHOST_AGE;
    const old = members.filter((member) => timeOf(member) < before);
    if (old.length === 0) return;
    await this.#store.send('list', ['ZREM', key, ...old], signal);
    const found = await this.#store.members(old.map(idOf), 'head', signal);
    const back = old.filter((member, at) => {
      const read = found[at];
      const record =
        read === undefined || read instanceof SessionError ? undefined : unpack(idOf(member), read);
      return record !== undefined && !(record instanceof SessionError) && belongs(record, query);
    });
    const again = back.map((member) => ['ZADD', key, '0', member]);
    await this.#store.sendAll('list', again, signal);
  }
}

/** Names that no session can have; the server would look for others. */
function isNobody({ service, user }: Query): boolean {
  return [service, user].some((name) => name !== undefined && (name === '' || unstorable(name)));
}

/** Whether a session stands rightly in the index that a query goes through. */
function belongs(record: SessionRecord, { service, user, state }: Query): boolean {
  if (state === 'ended' && record.ended === undefined) return false;
  return user === undefined ? service === undefined || record.service === service : record.user === user;
}

function matches(record: SessionRecord, { service, user, state, startedBefore }: Query): boolean {
  return (
    (service === undefined || record.service === service) &&
    (user === undefined || record.user === user) &&
    (state === undefined || (state === 'ended') === (record.ended !== undefined)) &&
    (startedBefore === undefined || record.startedAt < startedBefore)
  );
}

function idAt(time: Millis): string {
  return firstIdAt(Math.min(Math.max(0, Math.floor(time)), LAST_TIME));
}
