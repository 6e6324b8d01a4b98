import {
  firstIdAt,
  type Head,
  headOf,
  isSessionId,
  type Millis,
  type Page,
  type PageQuery,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import type { Records } from './records.js';
import type { Call, Store } from './store.js';
import type { Place, Places, Users } from './users.js';

/** Heads that are asked for at once. */
const CHUNK = 500;
/** Keys of a scan that are taken at most; where there are more, the range is made smaller. */
const MOST = 5_000;
/** Of those that were found in a range that is too large, the lowest part that is looked at next. */
const PART = 8;
/** Before any id, and behind every one, but before `seen:`: there are as many of those keys as there are sessions. */
const FIRST = 's';
const LAST = 's8';
/** An entry without its session may be one whose session is on its way; only older ones are dropped. */
const GHOST_AGE: Millis = 60_000;
/** An id is made at the start of its session, or a little later. */
const ID_LATE: Millis = 60_000;
const LAST_TIME = 2 ** 48 - 1;

/** With their last uses, or without. */
type Read = 'heads' | 'stored';

/** Lists and counts: the ids by range scans, those of a user from the user's document; then the heads. */
export class Listing {
  readonly #store: Store;
  readonly #records: Records;
  readonly #users: Users;

  constructor(store: Store, records: Records, users: Users) {
    this.#store = store;
    this.#records = records;
    this.#users = users;
  }

  async list(call: Call, query: PageQuery): Promise<Page<Head>> {
    const { limit, after = FIRST } = query;
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SessionError('INVALID_VALUE', `limit must be a whole number of at least 1, not ${limit}`);
    // Where many may be passed over, last uses are read of those on the page only: one round trip more, and half as many reads.
    const isPicked = query.state !== undefined || query.service !== undefined;
    const read: Read = isPicked ? 'stored' : 'heads';
    const found: SessionRecord[] = [];
    for await (const record of this.#matching(call, query, after, limit + 1, read)) {
      found.push(record);
      if (found.length > limit) break;
    }
    const page = found.slice(0, limit);
    const items = (isPicked ? await this.#records.used(call, page) : page).map(headOf);
    return { items, next: found.length > limit ? items.at(-1)?.id : undefined };
  }

  async count(call: Call, query: Query): Promise<number> {
    let count = 0;
    if (Object.values(query).every((condition) => condition === undefined)) {
      for await (const ids of this.#scanned(call, FIRST, LAST)) count += ids.length;
      return count;
    }
    for await (const _ of this.#matching(call, query, FIRST, CHUNK, 'stored')) count++;
    return count;
  }

  /** The sessions that match, in the order of their ids; `wanted` is how many the caller is likely to take. */
  async *#matching(
    call: Call,
    query: Query,
    after: string,
    wanted: number,
    read: Read,
  ): AsyncGenerator<SessionRecord, undefined> {
    const { user, startedBefore } = query;
    const to = startedBefore === undefined ? LAST : lastIdAt(startedBefore + ID_LATE);
    const places = user === undefined ? undefined : await this.#users.places(call, user);
    const source = places === undefined ? this.#scanned(call, after, to) : [idsBehind(after, places)];
    const ghosts: SessionId[] = [];
    let size = Math.min(wanted, CHUNK);
    for await (const ids of source)
      for (let at = 0; at < ids.length; ) {
        const some = ids.slice(at, at + size);
        at += some.length;
        // Where few match, many are asked for at once.
        size = Math.min(size * 4, CHUNK);
        const heads = await this.#records[read](call, some);
        // What cannot be understood is told to whoever loads it.
        for (const head of heads)
          if (head !== undefined && !(head instanceof SessionError) && matches(head, query)) yield head;
        if (user !== undefined)
          ghosts.push(...some.filter((id, n) => this.#isGhost(heads[n], user, places?.get(id))));
      }
    if (user !== undefined && ghosts.length > 0) await this.#dropped(call, user, ghosts);
    return undefined;
  }

  /** Ids behind `after` in their order, some at a time, each time from as many as a scan may find. */
  async *#scanned(call: Call, after: string, to: string): AsyncGenerator<readonly SessionId[], undefined> {
    const { keys } = this.#store.options;
    for (let low = after; low < to; ) {
      let high = to;
      for (;;) {
        const range = { after: keys.session(low), to: keys.session(high), most: MOST };
        const scanned = await call.scan(range);
        const found = scanned.keys.map((key) => keys.idIn(key)).sort();
        if (!scanned.more) {
          yield found.filter((id) => isSessionId(id));
          break;
        }
        // Partitions have a part of all keys each, by chance: what was found in some of them tells where to cut.
        high = found[Math.floor(found.length / PART)] as string;
      }
      low = high;
    }
    return undefined;
  }

  /** Whether an entry of a user's document is an old one, without its session. */
  #isGhost(head: SessionRecord | undefined | SessionError, user: string, place: Place | undefined): boolean {
    const isOld = (place?.at ?? 0) < this.#store.now - GHOST_AGE;
    return isOld && (head === undefined || (!(head instanceof SessionError) && head.user !== user));
  }

  /** Takes old entries without their session out of a user's document, and puts those back whose session is there after all. */
  async #dropped(call: Call, user: string, ghosts: readonly SessionId[]): Promise<void> {
    await this.#users.left(call, user, ...ghosts);
    for (const head of await this.#records.stored(call, ghosts))
      if (head !== undefined && !(head instanceof SessionError) && head.user === user)
        await this.#users.add(call, user, head);
  }
}

function idsBehind(after: string, places: Places): SessionId[] {
  return [...places.keys()].filter((id) => id > after).sort();
}

function matches(head: SessionRecord, { service, user, state, startedBefore }: Query): boolean {
  return (
    (service === undefined || head.service === service) &&
    (user === undefined || head.user === user) &&
    (state === undefined || (state === 'ended') === (head.ended !== undefined)) &&
    (startedBefore === undefined || head.startedAt < startedBefore)
  );
}

/** Behind every id of before this time. */
function lastIdAt(time: Millis): string {
  return time > LAST_TIME ? LAST : firstIdAt(Math.max(0, Math.floor(time)));
}
