import { type Millis, type SessionId, type SessionRecord, stopAt } from '@sessionkit/session-core';
import type { Cas } from 'couchbase';
import type { Call, Store } from './store.js';

/** How long a session may stand in its user's document after its end. */
const KEPT_AFTER: Millis = 24 * 3_600_000;
/** For so long, and so many, it is known that a session was entered: a save that lost a race and comes again does not ask. */
const ENTERED: Millis = 30_000;
const MOST_ENTERED = 1_000;

/** A session in the document of its user. */
export interface Place {
  readonly service: string;
  /** When it was entered. */
  readonly at: Millis;
  /** When it can be dropped without looking. */
  readonly until: Millis;
  /** When its place was claimed; undefined for one that was entered by its save. */
  readonly claimed?: Millis | undefined;
}

/** Places by their sessions. */
export type Places = Map<SessionId, Place>;

/** A document for each user with the ids of the sessions: for lists and for counting. Changed by compare and swap. */
export class Users {
  readonly #store: Store;
  /** Changes of one user in this process follow each other: they would only lose to each other. */
  readonly #lanes = new Map<string, Promise<unknown>>();
  readonly #entered = new Map<SessionId, Place & { readonly user: string }>();

  constructor(store: Store) {
    this.#store = store;
  }

  async places(call: Call, user: string): Promise<Places> {
    const found = await call.get(this.#store.options.keys.user(user));
    return placesIn(found?.content, user);
  }

  /** Enters a session before it is stored. */
  async add(
    call: Call,
    user: string,
    record: Pick<SessionRecord, 'id' | 'service' | 'endsAt' | 'killAt'>,
  ): Promise<void> {
    const { id, service } = record;
    const { now } = this.#store;
    const until = stopAt(record) + KEPT_AFTER;
    // The end of a session moves with each login; a little of it is no reason to write.
    const is = (place: Place | undefined) =>
      place !== undefined && place.service === service && place.until >= until - KEPT_AFTER / 2;
    const entered = this.#entered.get(id);
    if (is(entered) && entered?.user === user && now - entered.at < ENTERED) return;
    await this.change(call, user, (places) => {
      const there = places.get(id);
      if (is(there)) return undefined;
      return new Map(places).set(id, { ...there, service, at: there?.at ?? now, until });
    });
    this.#entered.delete(id);
    this.#entered.set(id, { user, service, at: now, until });
    const [oldest] = this.#entered.keys();
    if (oldest !== undefined && this.#entered.size > MOST_ENTERED) this.#entered.delete(oldest);
  }

  /** Takes out sessions that are another user's now, or are gone. Never rejects: an entry that stays is passed over, and whoever lists tries again. */
  async left(call: Call, user: string, ...ids: readonly SessionId[]): Promise<void> {
    for (const id of ids) this.#entered.delete(id);
    const taken = this.change(call, user, (places) => {
      const rest = new Map(places);
      for (const id of ids) rest.delete(id);
      return rest.size === places.size ? undefined : rest;
    });
    await taken.catch(() => undefined);
  }

  /** Changes a user's places as one; `change` may be asked several times, and answers undefined where nothing is to be written. */
  change(
    call: Call,
    user: string,
    change: (places: Places) => Places | undefined | Promise<Places | undefined>,
  ): Promise<void> {
    const key = this.#store.options.keys.user(user);
    const doing = (this.#lanes.get(key) ?? Promise.resolve()).then(() =>
      this.#changed(call, key, user, change),
    );
    const lane = doing
      .catch(() => undefined)
      .then(() => {
        if (this.#lanes.get(key) === lane) this.#lanes.delete(key);
      });
    this.#lanes.set(key, lane);
    return doing;
  }

  async #changed(
    call: Call,
    key: string,
    user: string,
    change: (places: Places) => Places | undefined | Promise<Places | undefined>,
  ): Promise<void> {
    for (;;) {
      const found = await call.get(key);
      const places = await change(placesIn(found?.content, user));
      if (places === undefined) return;
      const { now } = this.#store;
      const kept = [...places].filter(([, { until }]) => until > now);
      const until = Math.max(now, ...kept.map(([, place]) => place.until));
      const json = JSON.stringify({ user, sessions: Object.fromEntries(kept) });
      const cas: Cas | undefined = found?.cas;
      const written =
        cas === undefined
          ? await call.insert(key, json, { until })
          : await call.replace(key, json, { cas, until });
      // Another has changed it, or it has just vanished.
      if (written === undefined || written === 'changed' || written === 'gone') continue;
      return;
    }
  }
}

/** What is not understood counts as nothing: the next change writes it anew. */
function placesIn(content: unknown, user: string): Places {
  const document = content as { readonly user?: unknown; readonly sessions?: unknown } | null | undefined;
  const { sessions } = document ?? {};
  if (document?.user !== user || typeof sessions !== 'object' || sessions === null) return new Map();
  const entries = Object.entries(sessions).filter(([, place]) => isPlace(place));
  return new Map(entries as [SessionId, Place][]);
}

function isPlace(value: unknown): value is Place {
  const { service, at, until, claimed } = (value ?? {}) as Partial<Record<keyof Place, unknown>>;
  return (
    typeof service === 'string' &&
    typeof at === 'number' &&
    typeof until === 'number' &&
    (claimed === undefined || typeof claimed === 'number')
  );
}
