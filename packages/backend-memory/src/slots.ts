import {
  type Claim,
  deadFrom,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';

/** How long a place is kept for a session that has not been stored under its user. */
const CLAIM_LAPSES: Millis = 60_000;

type Pending = Pick<Claim, 'service' | 'user' | 'id' | 'at'>;

interface Taken {
  readonly id: SessionId;
  readonly since: Millis;
}

/** What the slots ask the store. */
export interface SlotsView {
  now(): Millis;
  get(id: SessionId): SessionRecord | undefined;
  openOf(service: string, user: string): Iterable<SessionId>;
}

/** Places of users' sessions. A stored session is its own place; only claims without one are kept here. */
export class Slots {
  readonly #view: SlotsView;
  readonly #most: number;
  readonly #pending = new Map<string, Map<SessionId, Pending>>();
  /** The same claims, oldest first. */
  readonly #order = new Set<Pending>();

  constructor(view: SlotsView, most: number) {
    this.#view = view;
    this.#most = most;
  }

  claim(claim: Claim): SessionId[] {
    const taken = this.#taken(claim);
    const own = taken.findIndex(({ id }) => id === claim.id);
    if (own >= 0) taken.splice(own, 1);
    const over = taken.length + 1 - claim.max;
    if (claim.full === 'refuse' && over > 0) return own >= 0 ? [] : [claim.id];
    if (own < 0) this.#add({ service: claim.service, user: claim.user, id: claim.id, at: claim.at });
    if (over <= 0) return [];
    taken.sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1));
    return taken.slice(0, over).map(({ id }) => id);
  }

  /** A record was stored: it is its own place from now on. */
  stored({ service, user, id }: SessionRecord): void {
    if (this.#order.size === 0 || user === undefined) return;
    const pending = this.#pending.get(keyOf(service, user))?.get(id);
    if (pending !== undefined) this.#remove(pending);
  }

  #taken({ service, user, at }: Claim): Taken[] {
    const taken: Taken[] = [];
    for (const id of this.#view.openOf(service, user)) {
      const record = this.#view.get(id);
      if (record !== undefined && at < deadFrom(record)) taken.push({ id, since: record.startedAt });
    }
    for (const pending of this.#pending.get(keyOf(service, user))?.values() ?? []) {
      if (!this.#lapsed(pending, at))
        taken.push({ id: pending.id, since: this.#view.get(pending.id)?.startedAt ?? pending.at });
    }
    return taken;
  }

  #lapsed(pending: Pending, at: Millis): boolean {
    if (at - pending.at >= CLAIM_LAPSES) return true;
    const record = this.#view.get(pending.id);
    return record !== undefined && (record.ended !== undefined || at >= deadFrom(record));
  }

  #add(pending: Pending): void {
    const before = Math.min(pending.at, this.#view.now()) - CLAIM_LAPSES;
    for (const oldest of this.#order) {
      if (oldest.at > before) break;
      this.#remove(oldest);
    }
    if (this.#order.size >= this.#most)
      throw new SessionError('BACKEND_FULL', `${this.#most} claims of places wait for their sessions`, {
        retryable: true,
      });
    const key = keyOf(pending.service, pending.user);
    const lapsed = this.#pending.get(key)?.get(pending.id);
    if (lapsed !== undefined) this.#remove(lapsed);
    const others = this.#pending.get(key);
    if (others === undefined) this.#pending.set(key, new Map([[pending.id, pending]]));
    else others.set(pending.id, pending);
    this.#order.add(pending);
  }

  #remove(pending: Pending): void {
    this.#order.delete(pending);
    const key = keyOf(pending.service, pending.user);
    const others = this.#pending.get(key);
    others?.delete(pending.id);
    if (others?.size === 0) this.#pending.delete(key);
  }
}

function keyOf(service: string, user: string): string {
  return `${service.length}:${service}${user}`;
}
