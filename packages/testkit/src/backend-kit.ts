import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import {
  type Abilities,
  type Backend,
  type Change,
  can,
  type Ending,
  type Head,
  headOf,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { TestClock, type TestEnvironment, testEnvironment } from './environment.js';
import { makeRecord, nextRecord } from './records.js';

/** Two instances on one store that holds nothing, and what lies beneath them. */
export interface OpenBackend {
  readonly a: Backend;
  /** Another instance on the same store, as a second process has it. */
  readonly b: Backend;
  /** What is REALLY stored under an id, read past the backend, in any form that JSON.stringify shows whole; undefined when nothing is. */
  peek(id: SessionId): Promise<unknown>;
  /** Damages what is stored under an id so that it cannot be understood. Left out where nothing can be damaged. */
  readonly corrupt?: ((id: SessionId) => Promise<void>) | undefined;
  /** The clock of the store, where it can be handed in. Without it the suite waits for real. */
  readonly clock?: TestClock | undefined;
  /** Within how many ms of real time a notice reaches the other instance. Default 2,000. */
  readonly noticeWithin?: Millis | undefined;
  /** Closes the instances, again if a case has done so, and gives back the rest. */
  close(): Promise<void>;
}

/** What the author of a backend gives to the suite. */
export interface BackendHarness {
  open(): Promise<OpenBackend>;
}

/** One sentence of the contract, and the code that throws when a backend breaks it. */
export interface BackendCase {
  readonly name: string;
  /** The case is for backends that have this ability, and for all of them. Without it the case is for every backend. */
  readonly ability?: keyof Abilities | undefined;
  /** Asked beside the ability. Left out: it applies. */
  readonly applies?: ((opened: OpenBackend) => boolean) | undefined;
  run(kit: BackendKit): Promise<void>;
}

/** A signal that never aborts. */
const SIGNAL: AbortSignal = new AbortController().signal;
// Many calls at a time are given it.
setMaxListeners(0, SIGNAL);
const NOTICE_WITHIN: Millis = 2_000;

let runs = 0;

/** What a case works with: the opened backend and short words for what cases do often. */
export class BackendKit {
  readonly a: Backend;
  readonly b: Backend;
  readonly opened: OpenBackend;
  readonly signal: AbortSignal = SIGNAL;
  readonly environment: TestEnvironment;
  /** The time at which the case began. */
  readonly now: Millis;

  constructor(opened: OpenBackend) {
    this.a = opened.a;
    this.b = opened.b;
    this.opened = opened;
    // Real stores have real clocks and their own ideas of expiry: records live at the time of the run.
    const clock = opened.clock ?? new TestClock(Date.now());
    this.environment = testEnvironment({ clock, random: ++runs });
    this.now = clock.now();
  }

  /** A record that is not stored. */
  make(members?: Partial<SessionRecord>): SessionRecord {
    return makeRecord(this.environment, members);
  }

  next(record: SessionRecord, members?: Partial<SessionRecord>): SessionRecord {
    return nextRecord(this.environment, record, members);
  }

  /** A new record, stored. */
  async stored(members?: Partial<SessionRecord>): Promise<SessionRecord> {
    const record = this.make(members);
    assert.equal(await this.a.save(record, SIGNAL), true, 'a new record was not stored');
    return record;
  }

  /** Several, stored in order of their ids. */
  async storedMany(count: number, members: (at: number) => Partial<SessionRecord>): Promise<SessionRecord[]> {
    const records: SessionRecord[] = [];
    for (let i = 0; i < count; i++)
      records.push(await this.stored({ startedAt: this.now - 1_000 + i, ...members(i) }));
    return records;
  }

  async saved(record: SessionRecord, members?: Partial<SessionRecord>): Promise<SessionRecord> {
    const next = this.next(record, members);
    assert.equal(await this.a.save(next, SIGNAL), true, `version ${next.version} was not stored`);
    return next;
  }

  /** What an instance has under an id; a fault in its place is thrown. */
  async load(id: SessionId, from: Backend = this.b): Promise<SessionRecord | undefined> {
    const answer = await from.load([id], SIGNAL);
    assert.equal(answer.length, 1, 'load of one id did not answer one place');
    const [found] = answer;
    if (found instanceof Error) throw found;
    return found;
  }

  async mustLoad(id: SessionId, from?: Backend): Promise<SessionRecord> {
    const found = await this.load(id, from);
    assert.ok(found !== undefined, `nothing is stored under ${id}`);
    return found;
  }

  ending(members: Partial<Ending> = {}): Ending {
    return { at: this.now, cause: 'logout', by: undefined, keepUntil: this.now + 3_600_000, ...members };
  }

  end(record: SessionRecord, members?: Partial<Ending>): Promise<readonly SessionId[]> {
    return this.a.end([record.id], this.ending(members), SIGNAL);
  }

  touch(record: SessionRecord, seenAt: Millis, by: Backend = this.a): Promise<readonly SessionId[]> {
    return by.touch([{ id: record.id, epoch: record.epoch, seenAt }], SIGNAL);
  }

  /** An instance by one of its abilities. The suite runs the case only where it is there. */
  with<A extends keyof Abilities>(ability: A, backend: Backend = this.a): Backend & Abilities[A] {
    assert.ok(can(backend, ability), `the instances differ in the ability ${ability}`);
    return backend;
  }

  /** Lets the time of the store go on. */
  async elapse(ms: Millis): Promise<void> {
    if (this.opened.clock !== undefined) await this.opened.clock.advance(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Changes as `backend` hears of them. */
  async hear(backend: Backend): Promise<{ readonly heard: Change[]; readonly stop: () => Promise<void> }> {
    const heard: Change[] = [];
    const stop = await this.with('watch', backend).watch((change) => heard.push(change));
    return { heard, stop };
  }

  /** Waits until a notice has arrived. */
  async until(what: string, arrived: () => boolean): Promise<void> {
    const within = this.opened.noticeWithin ?? NOTICE_WITHIN;
    const limit = performance.now() + within;
    while (!arrived()) {
      assert.ok(performance.now() < limit, `${what} did not happen within ${within} ms`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Asserts that `doing` fails with one of these codes, as a SessionError. */
export async function fails(doing: Promise<unknown>, ...codes: SessionError['code'][]): Promise<void> {
  let answer: unknown;
  try {
    answer = await doing;
  } catch (error) {
    assert.ok(error instanceof SessionError, `the fault is no SessionError: ${error}`);
    assert.ok(codes.includes(error.code), `the code is ${error.code}, not ${codes.join(' or ')}`);
    return;
  }
  assert.fail(`answered ${JSON.stringify(answer)} where it had to fail`);
}

/** Ids of heads or records. */
export function idsOf(rows: readonly { readonly id: SessionId }[]): SessionId[] {
  return rows.map(({ id }) => id);
}

/** Compares records member by member: one that is undefined is as good as one that is absent. */
export function sameRecord(found: SessionRecord, wanted: SessionRecord): void {
  assert.deepEqual(defined(found), defined(wanted));
}

export function sameHead(found: Head, wanted: SessionRecord): void {
  assert.deepEqual(defined(found), defined(headOf(wanted)));
}

/** Data comes back without a prototype from some stores and with one from others: the text counts. */
function defined(record: object): unknown {
  return JSON.parse(JSON.stringify(record));
}
