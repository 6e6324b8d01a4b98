import type { Millis } from './environment.js';
import type { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import type { EndCause } from './lists.js';
import type { Head, SessionRecord } from './record.js';

/** Version of the contracts in this file, `transport.ts` and `module.ts`. A module built for another one is refused at start. */
export const CONTRACT_VERSION = 1;

/** What a backend says of itself. It only describes: an ability is the presence of a method. */
export interface BackendTraits {
  /** Survives a restart of the store. */
  readonly durable: boolean;
  /** Other processes can use the same records. */
  readonly shared: boolean;
  /** Lists may miss or repeat rows. */
  readonly approximate: boolean;
  /** Largest record that can be stored, in bytes; undefined when nothing but memory bounds it. */
  readonly maxRecordBytes: number | undefined;
  /** How old an answer of `load` can be, in ms; 0 for reads from the primary. */
  readonly staleness: Millis;
  /** A write that was not answered in time may still arrive later. */
  readonly lateWrites: boolean;
}

export interface Touch {
  readonly id: SessionId;
  readonly epoch: number;
  readonly seenAt: Millis;
}

export interface Ending {
  readonly at: Millis;
  readonly cause: EndCause;
  readonly by: string | undefined;
  /** The ended record stays readable until then. */
  readonly keepUntil: Millis;
}

/**
 * Where records live. Knows no secrets, no cookies and no clock of its own; core judges.
 *
 * Rules, each of them a case of the conformance kit:
 *
 * 1. Version n is stored only over n-1, and version 1 only over nothing. `save` is the one verb for both: an upsert, a SET
 *    without a condition or a refill of a cache would bring ended sessions back.
 * 2. A save whose write id (the last of `record.writes`) is among the stored record's `writes` answers true and stores
 *    nothing, also after the session has ended: the reply to the first one was lost on the way.
 * 3. Ended is ended. `end` takes the data away and keeps the rest with `ended` set until `keepUntil`; after it has answered no save, touch
 *    or journal entry makes the session alive again.
 * 4. A touch moves `seenAt` only, and only forward. A save stores the larger of its own `seenAt` and the stored one.
 *    `killAt` never moves later and is never cleared: a save stores the smaller one.
 * 5. Expected outcomes are values. A fault is a `SessionError` with code `BACKEND_DOWN` (could not be reached), `BACKEND_FAILED` (refused or broke),
 *    `BACKEND_FULL`, `BACKEND_CLOSED` (after `close`), `RECORD_CORRUPT` or `RECORD_TOO_LARGE`, with its cause. It never becomes "not found".
 * 6. When `signal` aborts, the caller has stopped waiting: a write that has not reached the store yet must not be sent, and the call rejects with
 *    `BACKEND_DOWN` or `BACKEND_FAILED`. Drivers must not queue or resend by themselves.
 * 7. Members that are not understood (`extra`) survive; the order of `writes` and the exact text of `data` too.
 */
export interface Backend {
  /** Name for logs and documents, such as `memory`. */
  readonly type: string;
  readonly traits: BackendTraits;

  /**
   * The records of `ids`, in their order; undefined for one that is not there. Core sends the loads of one turn of the event loop together.
   * A record that cannot be understood is a `RECORD_CORRUPT` error in its place and does not fail the others.
   */
  load(
    ids: readonly SessionId[],
    signal: AbortSignal,
  ): Promise<readonly (SessionRecord | undefined | SessionError)[]>;

  /** Stores `record`; false when another version won the race or the session has ended (or never was). */
  save(record: SessionRecord, signal: AbortSignal): Promise<boolean>;

  /**
   * Moves `seenAt` of many. Answers the ids that are KNOWN to be absent, ended or of another epoch; never one that is merely locked
   * or could not be reached.
   */
  touch(batch: readonly Touch[], signal: AbortSignal): Promise<readonly SessionId[]>;

  /** Ends sessions whatever their version. Creates nothing. Answers the ids that this call ended. */
  end(ids: readonly SessionId[], how: Ending, signal: AbortSignal): Promise<readonly SessionId[]>;

  /** The clock of the store; undefined when it has none. Asks the store, and fails where it is not there: readiness is told by this. */
  now(signal: AbortSignal): Promise<Millis | undefined>;

  /** Gives back what it holds. Every later call fails with `BACKEND_CLOSED`. Calling it again does nothing. */
  close(): Promise<void>;
}

/** Conditions of a list. All that are given must hold. */
export interface Query {
  readonly service?: string | undefined;
  readonly user?: string | undefined;
  /** `open`: without `ended` (it may have run out; core tells). `ended`: with it. Neither: both. */
  readonly state?: 'open' | 'ended' | undefined;
  readonly startedBefore?: Millis | undefined;
}

export interface PageQuery extends Query {
  /** Only ids greater than this one. */
  readonly after?: SessionId | undefined;
  /** Largest number of rows, at least 1. */
  readonly limit: number;
}

export interface Page<T> {
  /** Ascending by id. */
  readonly items: readonly T[];
  /** Where the next page begins (`after`); undefined when there is none. */
  readonly next: SessionId | undefined;
}

/** Sessions can be listed. A page costs what the page costs, not what the store holds. */
export interface Inspectable {
  list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>>;
  count(query: Query, signal: AbortSignal): Promise<number>;
}

/** What is dead can be removed. */
export interface Sweepable {
  /**
   * Removes at most `limit` records that are of no use any more, and answers their ids: ended ones whose `keepUntil` is before `deadBefore`, and
   * un-ended ones dead since before it. Fewer than `limit` answered means that nothing is left to do now. Of several sweeps at once each record is
   * answered by one; a store may leave all of it to one of them, and the others find nothing to do meanwhile.
   */
  sweep(deadBefore: Millis, limit: number, signal: AbortSignal): Promise<readonly SessionId[]>;
}

export interface Change {
  readonly id: SessionId;
  readonly version: number;
  /** `saved` is sent only when user, epoch, secret, killAt, parameters, filters or restartedAt changed. */
  readonly what: 'saved' | 'ended';
  readonly cause: EndCause | undefined;
}

/** Changes are announced. A notice is a hint: it may be lost, repeated or late, and core confirms by `load` before it acts. */
export interface Watchable {
  /** Calls `onChange` until the answered function is called. */
  watch(onChange: (change: Change) => void): Promise<() => Promise<void>>;
}

export interface Claim {
  readonly service: string;
  readonly user: string;
  readonly id: SessionId;
  readonly at: Millis;
  /** Sessions of the user in the service that may live at a time. */
  readonly max: number;
  readonly full: 'refuse' | 'oldest';
}

/** Sessions of a user are counted atomically. */
export interface UserSlots {
  /**
   * Takes a place for `id` among its user's sessions. A session that is stored under its user has a place, claimed or not. Answers who must end: with `oldest` those that began first; with `refuse` and no place
   * left it adds nothing and answers `[claim.id]`. Places of sessions that are gone, ended, dead at `claim.at` or no longer this user's are free; a claim
   * without a record, or whose record is still anonymous, lapses after 60 s. Claiming a place one already has changes nothing.
   */
  claim(claim: Claim, signal: AbortSignal): Promise<readonly SessionId[]>;
}

/** Nothing authenticated before `before` lives. Promised for a later version; only the type stands. */
export interface Fence {
  readonly service: string | undefined;
  readonly user: string | undefined;
  readonly before: Millis;
  readonly at: Millis;
  readonly by: string | undefined;
  readonly until: Millis;
}

export interface Fences {
  fences(signal: AbortSignal): Promise<readonly Fence[]>;
  raise(fence: Fence, signal: AbortSignal): Promise<void>;
}

export interface JournalEntry {
  readonly id: SessionId;
  readonly at: Millis;
  readonly kind: 'log' | 'request';
  readonly text: string;
}

export interface JournalBatch {
  /** A batch that arrives twice is kept once. */
  readonly batchId: string;
  readonly entries: readonly JournalEntry[];
}

/** Bounds of the journal of one session. */
export const JOURNAL_MAX_ENTRIES = 100;
export const JOURNAL_MAX_BYTES = 65_536;

/** What a session did lately: its log lines and requests. The oldest fall out at 100 entries or 64 kB a session. */
export interface Journal {
  /** Adds to living records only; entries of others are dropped without a fault. */
  append(batch: JournalBatch, signal: AbortSignal): Promise<void>;
  /** Entries of each id, ordered by `at`, in the order of their arrival among equals; an empty list for one that is not there. */
  read(ids: readonly SessionId[], signal: AbortSignal): Promise<readonly (readonly JournalEntry[])[]>;
}

/** One process' open hold on a session. */
export interface Link {
  readonly id: SessionId;
  readonly process: string;
  readonly since: Millis;
  /** What the process knows of it, as the admin API shows it. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Who holds which session open. State with a lease, not a log. */
export interface Presence {
  /** Replaces all links of `process`; they vanish `ttl` ms later unless announced again. */
  announce(process: string, links: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void>;
  present(ids: readonly SessionId[], signal: AbortSignal): Promise<readonly Link[]>;
}

/** Each ability with one of its methods: a method enables, a missing ability is a missing method and never a no-op. */
export interface Abilities {
  inspect: Inspectable;
  sweep: Sweepable;
  watch: Watchable;
  slots: UserSlots;
  fences: Fences;
  journal: Journal;
  presence: Presence;
}

const ABILITY_METHODS: { readonly [A in keyof Abilities]: readonly (keyof Abilities[A] & string)[] } = {
  inspect: ['list', 'count'],
  sweep: ['sweep'],
  watch: ['watch'],
  slots: ['claim'],
  fences: ['fences', 'raise'],
  journal: ['append', 'read'],
  presence: ['announce', 'present'],
};

export const ABILITIES = Object.keys(ABILITY_METHODS) as readonly (keyof Abilities)[];

/** Whether `backend` has an ability; narrows its type. */
export function can<A extends keyof Abilities>(
  backend: Backend,
  ability: A,
): backend is Backend & Abilities[A] {
  const members = backend as unknown as Record<string, unknown>;
  return ABILITY_METHODS[ability].every((method) => typeof members[method] === 'function');
}
