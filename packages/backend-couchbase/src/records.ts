import {
  type Ending,
  isSessionId,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  type Touch,
} from '@sessionkit/session-core';
import { type Cas, MutateInSpec } from 'couchbase';
import { decoded, decodedHead, dueAt, encoded } from './record.js';
import { type Call, checkSize, type Found, type Store } from './store.js';
import type { Users } from './users.js';

/** Sessions whose version is remembered, so that a save need not ask for it. */
const REMEMBERED = 10_000;

interface Known extends Pick<SessionRecord, 'version' | 'user' | 'service' | 'killAt'> {
  readonly cas: Cas;
}

/** Loads, saves, touches and ends: a document for each session, and one for its last use, so that uses do not get in the way of saves. */
export class Records {
  readonly #store: Store;
  readonly #users: Users;
  readonly #known = new Map<SessionId, Known>();

  constructor(store: Store, users: Users) {
    this.#store = store;
    this.#users = users;
  }

  /** All documents of all sessions in one wave. */
  async load(call: Call, ids: readonly SessionId[]): Promise<(SessionRecord | undefined | SessionError)[]> {
    return Promise.all(
      ids.map(async (id) => {
        if (!isSessionId(id)) return undefined;
        const { keys } = this.#store.options;
        const [found, seen] = await Promise.all([call.get(keys.session(id)), call.get(keys.seen(id))]);
        if (found === undefined) return undefined;
        const record = decoded(id, found.content, this.#lastUse(seen));
        if (!(record instanceof SessionError)) this.#remember(record, found.cas);
        return record;
      }),
    );
  }

  /** Records without their data, in one wave; undefined for what is not there or cannot be understood. */
  async heads(call: Call, ids: readonly SessionId[]): Promise<(SessionRecord | undefined | SessionError)[]> {
    const { keys } = this.#store.options;
    return Promise.all(
      ids.map(async (id) => {
        const [found, seen] = await Promise.all([
          call.parts(keys.session(id), 'session'),
          call.get(keys.seen(id)),
        ]);
        return found && decodedHead(id, found.parts[0], this.#lastUse(seen));
      }),
    );
  }

  /** As {@link heads}, but with the last uses of the last saves: one read for each, in place of two. */
  async stored(call: Call, ids: readonly SessionId[]): Promise<(SessionRecord | undefined | SessionError)[]> {
    const { keys } = this.#store.options;
    return Promise.all(
      ids.map(async (id) => {
        const found = await call.parts(keys.session(id), 'session');
        return found && decodedHead(id, found.parts[0], undefined);
      }),
    );
  }

  /** What was {@link stored}, with its last uses; those of what has ended are in its documents. */
  async used(call: Call, records: readonly SessionRecord[]): Promise<SessionRecord[]> {
    return Promise.all(
      records.map(async (record) => {
        if (record.ended !== undefined) return record;
        const seen = await call.get(this.#store.options.keys.seen(record.id));
        return { ...record, seenAt: Math.max(record.seenAt, this.#lastUse(seen)) };
      }),
    );
  }

  async save(call: Call, record: SessionRecord): Promise<boolean> {
    const { id } = record;
    if (!isSessionId(id)) throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
    if (record.ended !== undefined)
      throw new SessionError(
        'INVALID_VALUE',
        'a session is ended by end(), not by saving a record with `ended`',
      );
    return record.version === 1 ? this.#insert(call, record) : this.#replace(call, record);
  }

  async touch(call: Call, batch: readonly Touch[]): Promise<SessionId[]> {
    const missed = await Promise.all(
      batch.map(async (touch) => ((await this.#touched(call, touch)) ? undefined : touch.id)),
    );
    return missed.filter((id) => id !== undefined);
  }

  async end(call: Call, ids: readonly SessionId[], how: Ending): Promise<SessionId[]> {
    const unique = [...new Set(ids)].filter((id) => isSessionId(id));
    const ended = await Promise.all(
      unique.map(async (id) => ((await this.#ended(call, id, how)) ? id : undefined)),
    );
    return ended.filter((id) => id !== undefined);
  }

  async #insert(call: Call, record: SessionRecord): Promise<boolean> {
    const { id, user } = record;
    const { keys, names } = this.#store.options;
    const due = dueAt(record);
    const json = encoded(record, names, due);
    checkSize(json);
    // Who is stopped in between leaves an entry without a session, and never a session that its user's list has not.
    if (user !== undefined) await this.#users.add(call, user, record);
    const [cas] = await Promise.all([
      call.insert(keys.session(id), json, { until: due, durable: true }),
      call.insert(keys.seen(id), seenJson(record.seenAt), { until: stopAt(record) }),
    ]);
    if (cas !== undefined) {
      this.#remember(record, cas);
      return true;
    }
    const stored = await this.#head(call, id);
    return stored !== undefined && wasStored(stored.record, record);
  }

  /** One round trip where the version before is the one that was loaded last; else two. */
  async #replace(call: Call, record: SessionRecord): Promise<boolean> {
    const { id } = record;
    const known = this.#known.get(id);
    this.#known.delete(id);
    if (known !== undefined && known.version === record.version - 1) {
      const saved = await this.#over(call, known, record);
      if (saved !== 'changed') return saved;
    }
    for (;;) {
      const stored = await this.#head(call, id);
      if (stored === undefined) return false;
      if (wasStored(stored.record, record)) return true;
      if (stored.record.ended !== undefined || stored.record.version !== record.version - 1) return false;
      const saved = await this.#over(call, { ...stored.record, cas: stored.cas }, record);
      if (saved !== 'changed') return saved;
    }
  }

  /** Saves over exactly what is known. */
  async #over(call: Call, known: Known, given: SessionRecord): Promise<boolean | 'changed'> {
    const { id, user } = given;
    const { keys, names } = this.#store.options;
    const record = { ...given, killAt: earlier(given.killAt, known.killAt) };
    const due = dueAt(record);
    const json = encoded(record, names, due);
    checkSize(json);
    const moved = user !== known.user || given.service !== known.service;
    if (user !== undefined && moved) await this.#users.add(call, user, record);
    const written = await call.replace(keys.session(id), json, { cas: known.cas, until: due, durable: true });
    if (written === 'changed') return 'changed';
    if (written === 'gone') return false;
    this.#remember(record, written.cas);
    if (known.user !== undefined && user !== known.user) await this.#users.left(call, known.user, id);
    return true;
  }

  /** False when the session is known to be absent, ended or of another epoch. */
  async #touched(call: Call, { id, epoch, seenAt }: Touch): Promise<boolean> {
    if (!isSessionId(id)) return false;
    const { keys } = this.#store.options;
    const key = keys.seen(id);
    const [found, first] = await Promise.all([call.parts(keys.session(id), 'session', 'due'), call.get(key)]);
    if (found === undefined) return false;
    const [session, due] = found.parts;
    const record = decodedHead(id, session, undefined);
    // Of what cannot be understood nothing is known.
    if (record instanceof SessionError) return true;
    if (record.ended !== undefined || record.epoch !== epoch) return false;
    if (typeof due !== 'number' || due < Math.min(stopAt(record), seenAt + record.idle)) {
      const until = dueAt({ ...record, seenAt });
      // Where it was changed meanwhile, that has moved its end as well, or the next touch will.
      await call.change(keys.session(id), [MutateInSpec.upsert('due', until)], { cas: found.cas, until });
    }
    const json = seenJson(seenAt);
    const until = stopAt(record);
    for (let seen = first; ; seen = await call.get(key)) {
      const at = seenIn(seen);
      if (seen === undefined) {
        if ((await call.insert(key, json, { until })) !== undefined) return true;
      } else if (at !== undefined && at >= seenAt) return true;
      else if (typeof (await call.replace(key, json, { cas: seen.cas, until })) === 'object') return true;
    }
  }

  /** Whether this call has ended it. What cannot be marked as ended is removed. */
  async #ended(call: Call, id: SessionId, { at, cause, by, keepUntil }: Ending): Promise<boolean> {
    const { keys } = this.#store.options;
    const key = keys.session(id);
    for (;;) {
      const [found, seen] = await Promise.all([call.parts(key, 'session'), call.get(keys.seen(id))]);
      if (found === undefined) return false;
      this.#known.delete(id);
      const record = decodedHead(id, found.parts[0], this.#lastUse(seen));
      const isSound = !(record instanceof SessionError);
      if (isSound && record.ended !== undefined) return false;
      const specs = [
        MutateInSpec.upsert('session.ended', by === undefined ? { at, cause } : { at, cause, by }),
        MutateInSpec.upsert('data', '{}'),
        MutateInSpec.upsert('due', keepUntil),
      ];
      if (isSound) specs.push(MutateInSpec.upsert('session.seenAt', record.seenAt));
      let written = await call.change(key, specs, { cas: found.cas, until: keepUntil, durable: true });
      if (written === 'unfit') written = await call.remove(key, found.cas);
      if (written === 'gone') return false;
      if (written !== 'changed') return true;
    }
  }

  async #head(
    call: Call,
    id: SessionId,
  ): Promise<{ readonly record: SessionRecord; readonly cas: Cas } | undefined> {
    const found = await call.parts(this.#store.options.keys.session(id), 'session');
    if (found === undefined) return undefined;
    const record = decodedHead(id, found.parts[0], undefined);
    if (record instanceof SessionError) throw record;
    return { record, cas: found.cas };
  }

  /** A last use that is not there, or cannot be read, is now: so that a lost document ends no session. */
  #lastUse(found: Found | undefined): Millis {
    return seenIn(found) ?? this.#store.now;
  }

  #remember(record: SessionRecord, cas: Cas): void {
    const { id, version, user, service, killAt } = record;
    this.#known.delete(id);
    if (record.ended !== undefined) return;
    this.#known.set(id, { version, user, service, killAt, cas });
    if (this.#known.size <= REMEMBERED) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function wasStored(stored: SessionRecord, record: SessionRecord): boolean {
  const write = record.writes.at(-1);
  return write !== undefined && stored.writes.includes(write);
}

function earlier(one: Millis | undefined, other: Millis | undefined): Millis | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

function seenJson(at: Millis): string {
  return JSON.stringify({ at });
}

function seenIn(found: Found | undefined): Millis | undefined {
  const at = (found?.content as { readonly at?: unknown } | null | undefined)?.at;
  return typeof at === 'number' && Number.isFinite(at) ? at : undefined;
}
