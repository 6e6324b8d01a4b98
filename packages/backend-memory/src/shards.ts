import {
  firstIdAt,
  type Millis,
  type Query,
  type SessionId,
  type SessionRecord,
  timeOfId,
} from '@sessionkit/session-core';
import { BigMap } from './big-map.js';
import { SortedIds } from './sorted-ids.js';

type Indexed = Pick<SessionRecord, 'id' | 'service' | 'user' | 'ended' | 'startedAt'>;

/** The ids of one service in one state. A user's only id stands for itself: most users have one session. */
interface Shard {
  readonly ids: SortedIds;
  readonly users: BigMap<SessionId | SortedIds>;
}

const LAST_TIME: Millis = 2 ** 48 - 1;

/** Ids by service, state and user, each list sorted. A query is answered from the lists that hold nothing else. */
export class Shards {
  readonly #open = new Map<string, Shard>();
  readonly #ended = new Map<string, Shard>();
  /** By how much the time in an id was ever ahead of its record's `startedAt`, and behind it; 0 unless somebody else made the records. */
  #ahead = 0;
  #behind = 0;

  add(record: Indexed): void {
    const shards = this.#of(record.ended !== undefined);
    let shard = shards.get(record.service);
    if (shard === undefined) {
      shard = { ids: new SortedIds(), users: new BigMap() };
      shards.set(record.service, shard);
    }
    shard.ids.add(record.id);
    if (record.user !== undefined) addTo(shard.users, record.user, record.id);
    const ahead = timeOfId(record.id) - record.startedAt;
    if (ahead > this.#ahead) this.#ahead = ahead;
    else if (-ahead > this.#behind) this.#behind = -ahead;
  }

  remove(record: Indexed): void {
    const shards = this.#of(record.ended !== undefined);
    const shard = shards.get(record.service);
    if (shard === undefined) return;
    shard.ids.delete(record.id);
    if (record.user !== undefined) deleteFrom(shard.users, record.user, record.id);
    if (shard.ids.size === 0) shards.delete(record.service);
  }

  /** Ids of one user's sessions in one service that have not ended, ascending. */
  openOf(service: string, user: string): Iterable<SessionId> {
    const found = this.#open.get(service)?.users.get(user);
    if (found === undefined) return [];
    return typeof found === 'string' ? [found] : found.from('');
  }

  /** An ended session's id, none of its service older. */
  firstEnded(): SessionId | undefined {
    const shard: Shard | undefined = this.#ended.values().next().value;
    return shard?.ids.first();
  }

  /**
   * The ids that `query` may mean, ascending, from `from` on. `startedBefore` is only narrowed down by the time in the ids: who asks
   * looks at the record. Nothing may be added or removed until the iteration is left.
   */
  *matching(query: Query, from: string): Generator<SessionId, undefined> {
    const end = query.startedBefore === undefined ? undefined : idAt(query.startedBefore + this.#ahead);
    const sources = this.#lists(query).map((list) => {
      const rest = list.from(from);
      return { rest, head: rest.next().value };
    });
    for (;;) {
      let least: (typeof sources)[number] | undefined;
      for (const source of sources) {
        if (source.head === undefined) continue;
        if (least?.head === undefined || source.head < least.head) least = source;
      }
      if (least?.head === undefined || (end !== undefined && least.head >= end)) return undefined;
      yield least.head;
      least.head = least.rest.next().value;
    }
  }

  /** How many ids surely match, and from where on {@link matching} has to be asked about the others. */
  surely(query: Query): { readonly count: number; readonly from: string | undefined } {
    const lists = this.#lists(query);
    if (query.startedBefore === undefined)
      return { count: lists.reduce((sum, list) => sum + list.size, 0), from: undefined };
    const from = idAt(query.startedBefore - this.#behind);
    return { count: lists.reduce((sum, list) => sum + list.rank(from), 0), from };
  }

  #of(ended: boolean): Map<string, Shard> {
    return ended ? this.#ended : this.#open;
  }

  #lists({ service, user, state }: Query): SortedIds[] {
    const states = state === undefined ? [false, true] : [state === 'ended'];
    const shards = states.flatMap((ended) => {
      const all = this.#of(ended);
      return service === undefined ? [...all.values()] : (all.get(service) ?? []);
    });
    if (user === undefined) return shards.map((shard) => shard.ids);
    return shards.flatMap((shard) => {
      const found = shard.users.get(user);
      return found === undefined ? [] : listOf(found);
    });
  }
}

/** The smallest id of a session that was not created before `time`. */
function idAt(time: Millis): SessionId {
  return firstIdAt(Math.min(Math.max(0, Math.ceil(time)), LAST_TIME));
}

function listOf(found: SessionId | SortedIds): SortedIds {
  if (typeof found !== 'string') return found;
  const list = new SortedIds();
  list.add(found);
  return list;
}

function addTo(users: Shard['users'], user: string, id: SessionId): void {
  const found = users.get(user);
  if (found === undefined) users.set(user, id);
  else if (typeof found !== 'string') found.add(id);
  else if (found !== id) {
    const list = listOf(found);
    list.add(id);
    users.set(user, list);
  }
}

function deleteFrom(users: Shard['users'], user: string, id: SessionId): void {
  const found = users.get(user);
  if (found === id) users.delete(user);
  else if (found !== undefined && typeof found !== 'string') {
    found.delete(id);
    if (found.size === 0) users.delete(user);
  }
}
