import {
  type Claim,
  deadFrom,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import type { Records } from './records.js';
import type { Call } from './store.js';
import type { Place, Places, Users } from './users.js';

/** How long a claim without its session holds a place. */
const CLAIM_LAPSES: Millis = 60_000;
/** How long it may stand there. */
const CLAIM_KEPT: Millis = 3_600_000;

interface Taken {
  readonly id: SessionId;
  readonly since: Millis;
}

/** Places of a user, by compare and swap on the user's one document: who read it late is refused, and looks again. */
export class Slots {
  readonly #records: Records;
  readonly #users: Users;

  constructor(records: Records, users: Users) {
    this.#records = records;
    this.#users = users;
  }

  async claim(call: Call, wanted: Claim): Promise<SessionId[]> {
    const { service, user, id, at, max, full } = wanted;
    let must: SessionId[] = [];
    await this.#users.change(call, user, async (places) => {
      must = [];
      const rest: Places = new Map(places);
      const taken = await this.#taken(call, rest, wanted);
      if (taken.some((each) => each.id === id)) return undefined;
      const tooMany = taken.length + 1 - max;
      if (tooMany > 0 && full === 'refuse') {
        must = [id];
        return undefined;
      }
      if (tooMany > 0)
        must = taken
          .sort((x, y) => x.since - y.since)
          .slice(0, tooMany)
          .map((each) => each.id);
      const there = places.get(id);
      return rest.set(id, {
        service,
        at: there?.at ?? at,
        until: Math.max(there?.until ?? 0, at + CLAIM_KEPT),
        claimed: at,
      });
    });
    return must;
  }

  /** Who has a place in this service. Takes claims that have lapsed out of `places`. */
  async #taken(call: Call, places: Places, wanted: Claim): Promise<Taken[]> {
    const own = [...places].filter(([, { service }]) => service === wanted.service);
    const heads = await this.#records.heads(
      call,
      own.map(([id]) => id),
    );
    return own.flatMap(([id, place], n) => {
      const head = heads[n];
      if (holds(head, place, wanted)) {
        const since = head === undefined || head instanceof SessionError ? place.at : head.startedAt;
        return [{ id, since }];
      }
      if (head === undefined && place.claimed !== undefined) places.delete(id);
      return [];
    });
  }
}

/** Whether a session has a place: it is the user's and lives, or it was claimed not long ago and may become the user's. */
function holds(
  head: SessionRecord | SessionError | undefined,
  { claimed }: Place,
  { service, user, at }: Claim,
): boolean {
  const waits = claimed !== undefined && at - claimed < CLAIM_LAPSES;
  if (head === undefined) return waits;
  if (head instanceof SessionError) return claimed !== undefined;
  if (head.ended !== undefined || at >= deadFrom(head)) return false;
  if (head.user === undefined) return waits;
  return head.user === user && head.service === service;
}
