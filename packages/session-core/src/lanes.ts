import type { Millis } from './environment.js';
import { SessionError, toSessionError } from './errors.js';
import { events } from './events.js';
import type { SessionId } from './id.js';
import { type SessionRecord, WRITES_KEPT } from './record.js';
import { Tally } from './tally.js';

/** One wish to change a record. */
export interface Intent {
  /** The record it was made under; version 0 when nothing is stored yet. */
  readonly base: SessionRecord;
  /** Refused when a login or logout came in between. Operators' changes hold over any epoch. */
  readonly bound: boolean;
  /** Saved alone, nothing combined with it: a login or a rotation. */
  readonly closes: boolean;
  /** The record with the change; the same one when there is nothing to change. May run again. Throwing fails this intent alone. */
  apply(record: SessionRecord, now: Millis): SessionRecord;
}

interface Waiting {
  readonly intent: Intent;
  readonly resolve: (record: SessionRecord) => void;
  readonly reject: (error: SessionError) => void;
}

interface Lane {
  waiting: Waiting[];
  newest: SessionRecord | undefined;
}

/** What a lane needs of the store. */
export interface LaneStore {
  readonly deadline: Millis;
  now(): Millis;
  load(id: SessionId): Promise<SessionRecord | undefined>;
  save(record: SessionRecord): Promise<boolean>;
  writeId(): string;
  /** `seenAt` as this process knows it, stored or not. */
  seenAt(record: SessionRecord): Millis;
  isAlive(record: SessionRecord, now: Millis): boolean;
}

const FIRST_PAUSE = 2;
const LONGEST_PAUSE = 50;

/**
 * The changes of one session in this process go through one lane: whatever waits while a save is under way goes into the next one, in
 * order. So many writers of one session in one process never race each other; against other processes each save is compare-and-swap, and the
 * lane replays its changes over the newest record until the store's deadline.
 */
export class Lanes {
  readonly #store: LaneStore;
  readonly #lanes = new Map<SessionId, Lane>();
  readonly #open = new Tally();

  constructor(store: LaneStore) {
    this.#store = store;
  }

  /** Resolves to the stored record that has the change in it. @throws SessionError `CONFLICT`, `BACKEND_*`, and what `apply` threw. */
  submit(intent: Intent): Promise<SessionRecord> {
    return new Promise((resolve, reject) => {
      const { id } = intent.base;
      const waiting: Waiting = { intent, resolve, reject };
      const lane = this.#lanes.get(id);
      if (lane !== undefined) {
        lane.waiting.push(waiting);
        return;
      }
      const opened: Lane = { waiting: [waiting], newest: undefined };
      this.#lanes.set(id, opened);
      this.#open.begin();
      void this.#run(id, opened);
    });
  }

  /** Resolves when nothing of any session is under way or waits. */
  empty(): Promise<void> {
    return this.#open.idle();
  }

  /** Resolves when nothing of the session is under way or waits. */
  async idle(id: SessionId): Promise<void> {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    await new Promise<void>((resolve) => {
      const base = lane.newest ?? lane.waiting[0]?.intent.base;
      if (base === undefined) return resolve();
      const done = () => resolve();
      const intent: Intent = { base, bound: false, closes: true, apply: (record) => record };
      lane.waiting.push({ intent, resolve: done, reject: done });
    });
  }

  async #run(id: SessionId, lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      const closing = lane.waiting.findIndex(({ intent }) => intent.closes);
      // A login or rotation is saved alone: what was asked for before it must not be settled with a record that is another user's.
      const batch = lane.waiting.splice(0, closing < 0 ? lane.waiting.length : Math.max(closing, 1));
      const begun = performance.now();
      try {
        await this.#commit(lane, batch);
      } catch (error) {
        const fault = toSessionError(error, 'saving the session failed');
        for (const { reject } of batch) reject(fault);
        // Whoever waited behind a save that got no answer would wait as long once more, for a store that is silent.
        const silent = fault.code === 'BACKEND_DOWN' && performance.now() - begun >= this.#store.deadline;
        if (silent) for (const { reject } of lane.waiting.splice(0)) reject(fault);
        // A first save that failed has an unknown outcome: nobody may build on that id any more.
        lane.newest = undefined;
      }
    }
    this.#lanes.delete(id);
    this.#open.end();
  }

  async #commit(lane: Lane, batch: readonly Waiting[]): Promise<void> {
    const started = performance.now();
    let open = batch;
    let base: SessionRecord | undefined = newestOf(lane.newest, batch);
    // It may have been used elsewhere since it was read: the store knows.
    if (base.version > 0 && !this.#store.isAlive(base, this.#store.now()))
      base = await this.#store.load(base.id);
    if (base === undefined) return fail(open, over());
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const attempt = this.#apply(base, open);
      open = attempt.accepted;
      if (open.length === 0) return;
      if (attempt.record === base && base.version > 0) return settle(open, base);
      const next = this.#stamp(attempt.record, base);
      if (await this.#store.save(next)) {
        lane.newest = next;
        if (next.version === 1 ? events.created.hasSubscribers : events.changed.hasSubscribers) tell(next);
        if (next.epoch !== base.epoch && events.login.hasSubscribers) {
          events.login.publish({ id: next.id, service: next.service, user: next.user, epoch: next.epoch });
        } else if (next.secretHash !== base.secretHash && events.rotated.hasSubscribers) {
          events.rotated.publish({ id: next.id, service: next.service, user: next.user });
        }
        return settle(open, next);
      }
      if (events.conflict.hasSubscribers) events.conflict.publish({ id: base.id });
      if (next.version === 1) {
        return fail(open, new SessionError('CONFLICT', 'the session id is taken', { retryable: true }));
      }
      if (performance.now() - started + pause > this.#store.deadline) {
        return fail(
          open,
          new SessionError('CONFLICT', 'other processes kept changing the session', { retryable: true }),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * pause));
      const fresh = await this.#store.load(base.id);
      if (fresh === undefined) return fail(open, over());
      base = fresh;
    }
  }

  /** Applies each intent on its own; those that can't be are refused alone. */
  #apply(base: SessionRecord, batch: readonly Waiting[]): { record: SessionRecord; accepted: Waiting[] } {
    const now = this.#store.now();
    const accepted: Waiting[] = [];
    let record = base;
    for (const waiting of batch) {
      const { intent, reject } = waiting;
      try {
        if (base.version > 0 && !this.#store.isAlive(base, now)) throw over();
        if (intent.bound && (intent.base.epoch !== record.epoch || intent.base.user !== record.user)) {
          throw new SessionError(
            'CONFLICT',
            'somebody logged in or out of the session meanwhile; the change is dropped',
          );
        }
        record = intent.apply(record, now);
        accepted.push(waiting);
      } catch (error) {
        reject(
          error instanceof SessionError
            ? error
            : new SessionError('INVALID_VALUE', 'an update of the session threw', { cause: error }),
        );
      }
    }
    return { record, accepted };
  }

  #stamp(record: SessionRecord, base: SessionRecord): SessionRecord {
    // A spread leaves room for sixteen more in an array that is kept.
    const writes = base.writes.slice(1 - WRITES_KEPT).concat(this.#store.writeId());
    return { ...record, version: base.version + 1, writes, seenAt: this.#store.seenAt(record) };
  }
}

function tell({ id, service, user, version }: SessionRecord): void {
  if (version === 1) events.created.publish({ id, service, user });
  else events.changed.publish({ id, service, user, version });
}

function newestOf(newest: SessionRecord | undefined, batch: readonly Waiting[]): SessionRecord {
  let best = newest;
  for (const { intent } of batch) {
    if (best === undefined || intent.base.version > best.version) best = intent.base;
  }
  // A batch is never empty.
  return best as SessionRecord;
}

function over(): SessionError {
  return new SessionError('CONFLICT', 'the session ended meanwhile; the change is dropped');
}

function settle(batch: readonly Waiting[], record: SessionRecord): void {
  for (const { resolve } of batch) resolve(record);
}

function fail(batch: readonly Waiting[], error: SessionError): void {
  for (const { reject } of batch) reject(error);
}
