import type { Frozen, Patch } from './data-schema.js';
import type { Millis } from './environment.js';
import type { SessionId } from './id.js';
import type { ClientInfo } from './record.js';

/** What {@link Session.rotate} did. */
export type Rotation =
  /** A new secret is stored and goes out with this answer. */
  | 'rotated'
  /** The last new secret has not been seen by its client yet, or there is no stored session: nothing to do. */
  | 'unchanged'
  /** A login was less than 60 s ago; the first visit after that rotates. */
  | 'waiting';

export interface LoginOptions {
  /**
   * Keys of the anonymous session to keep; all by default. Data of another user's session is never kept.
   */
  readonly keep?: readonly string[] | undefined;
}

/** One of a user's living sessions, as the user may see it. */
export interface OwnSession {
  readonly id: SessionId;
  readonly startedAt: Millis;
  /** Last login. */
  readonly authenticatedAt: Millis | undefined;
  /** Last use, up to a flush interval old where another process saw it. */
  readonly seenAt: Millis;
  readonly client: ClientInfo;
  /** It is the one that asks. */
  readonly current: boolean;
}

/**
 * What a handler holds: a record plus the changes not yet saved. There is always one, also without a stored session; then `id` is undefined.
 *
 * Values are frozen: change them by `set`, `delete` and `update`. Changes are recorded by top-level key and replayed over the newest
 * record, so that requests which change different keys never lose each other's change; the last `set` of one key wins.
 *
 * Keys are 1 to 255 bytes without control characters, and not `__proto__`.
 *
 * `Data` is what `get` answers where the service has a schema for its data, `Input` what `set` takes.
 */
export type Session<Data = unknown, Input = Data> = SessionVerbs &
  (unknown extends Data ? AnyValues : TypedValues<Data, Input>);

/** All of a session but its values. */
export interface SessionVerbs {
  /** Undefined when there is no session, and none will be created by this answer. */
  readonly id: SessionId | undefined;
  readonly user: string | undefined;
  /** Nothing of it is stored yet; it is when the answer goes out, if anything asks for it. */
  readonly isNew: boolean;
  /** Opened by a rotated secret in its last 30 s: `set`, `delete` and `update` throw `SESSION_READ_ONLY`. */
  readonly readOnly: boolean;
  readonly startedAt: Millis | undefined;
  /** Last login. */
  readonly authenticatedAt: Millis | undefined;
  /** Absolute end, whatever use it sees. */
  readonly endsAt: Millis | undefined;
  /**
   * How long it may go unused, in ms, up to its {@link endsAt}; undefined without a session. The service's own, until it is set for this session: for a login that is to be remembered for longer, say.
   * A login sets it back. Setting it throws as `set` does.
   */
  idleTimeout: Millis | undefined;
  readonly client: ClientInfo;

  /** JSON text of all values, as it is stored. */
  readonly text: string;

  /**
   * Logs `user` in. Stored when it resolves, together with the changes so far. From anonymous: same id, data kept, new secret. As another
   * user: the session ends (`replaced`) and a new one begins without data. As the same user: new secret, data kept.
   * @throws SessionError `HEADERS_SENT`, `INVALID_VALUE` (bad user name), `CONFLICT` (also: the user has too many sessions), `BACKEND_*`.
   */
  login(user: string, options?: LoginOptions): Promise<void>;
  /** Ends the session (`logout`) and drops unsaved changes. @throws SessionError `BACKEND_*`. */
  logout(): Promise<void>;
  /**
   * The living sessions of this session's user, in this service or share group, ascending by id.
   * @throws SessionError `UNSUPPORTED` (the store can't list; or nobody is logged in: client code `session_required`), `BACKEND_*`.
   */
  sessions(): Promise<readonly OwnSession[]>;
  /**
   * Ends one of the user's sessions (`logout`), wherever it is open; this one too. False when there is no such living session of this user.
   * @throws SessionError `UNSUPPORTED` (nobody is logged in), `SESSION_READ_ONLY`, `BACKEND_*`.
   */
  end(id: SessionId): Promise<boolean>;
  /**
   * Ends all other sessions of the user (`logout`) and answers how many. Those that log in meanwhile are ended, too: the store is asked until it lists no new one. Left may be one whose
   * login is stored after the last list, and one that the store's lists miss (some of an `approximate` store do).
   * @throws SessionError as {@link sessions}, and `SESSION_READ_ONLY`.
   */
  endOthers(): Promise<number>;
  /** The same, then this one: a {@link logout} everywhere. Answers how many in all. Throws as {@link endOthers} does. */
  endAll(): Promise<number>;
  /**
   * Changes the secret. The old one keeps its full force until the new one is first seen, then reads for 30 s.
   * @throws SessionError `HEADERS_SENT`, `SESSION_READ_ONLY`, `CONFLICT`, `BACKEND_*`.
   */
  rotate(): Promise<Rotation>;
  /** Stores the changes so far. Handlers need it only for sockets and streams; answers do it by themselves. */
  commit(): Promise<void>;

  /** Aborts when the session ends, or when another visit logs in or out of it. Made only when asked for. */
  readonly signal: AbortSignal;
}

/** Values of which nothing is known: every key, every JSON value. */
export interface AnyValues {
  /** The value of a key, frozen; undefined when it is not set. */
  get(key: string): unknown;
  get<T>(key: string): T | undefined;
  has(key: string): boolean;
  keys(): readonly string[];
  /** All values, frozen, in an object without prototype. */
  all(): Readonly<Record<string, unknown>>;

  /**
   * Sets a key to a JSON value, as it is now: later changes of the object do not count.
   * @throws SessionError `INVALID_VALUE` (bad key, not JSON), `SESSION_READ_ONLY`, or `HEADERS_SENT` when the session would have to be created after the head has gone out.
   */
  set(key: string, value: unknown): void;
  /** Removes a key. Throws as {@link set} does. */
  delete(key: string): void;
  /**
   * Sets a key to `change(present value)`. Synchronous; `change` may run again over a newer value. Returning undefined removes the key.
   * Throws as {@link set} does.
   */
  update(key: string, change: (value: unknown) => unknown): void;
  update<T>(key: string, change: (value: T | undefined) => T | undefined): void;
  /** Applies an object as a JSON merge patch (RFC 7396) to the data, key by key. Throws as {@link set} does. */
  merge(patch: Readonly<Record<string, unknown>>): void;
}

type KeyOf<Data> = keyof Data & string;

/**
 * Values that have a schema. The store keeps what was set; what is read is what the schema makes of it, with its defaults and transforms.
 *
 * Whoever reads or changes data gets, beside the errors named: `INVALID_VALUE` (what is stored does not fit the schema), `UNSUPPORTED` (a newer version of the schema wrote
 * it; client code `store_unavailable`).
 */
export interface TypedValues<Data, Input> {
  /** The value of a key, frozen, as the schema makes it. */
  get<Key extends KeyOf<Data>>(key: Key): Frozen<Data[Key]>;
  /** Whether a value is stored; a default is not. */
  has(key: KeyOf<Input>): boolean;
  /** Of stored values. */
  keys(): readonly string[];
  /** All values, frozen, as the schema makes them, in an object without prototype. */
  all(): Frozen<Data>;

  /**
   * Sets a key, as it is now: later changes of the object do not count. What it makes wrong with other keys may be put right until the session is stored.
   * @throws SessionError `INVALID_VALUE` (the value, by its path; nothing has changed), `SESSION_READ_ONLY`, or `HEADERS_SENT` when the session would have to be created after the head has gone out.
   */
  set<Key extends KeyOf<Input>>(key: Key, value: Frozen<NonNullable<Input[Key]>>): void;
  /** Removes a key. Throws as {@link set} does. */
  delete(key: KeyOf<Input>): void;
  /**
   * Sets a key to `change(stored value)`, undefined when there is none, default or not. Synchronous; `change` may run again over a newer value. Returning undefined removes the key.
   * Throws as {@link set} does.
   */
  update<Key extends KeyOf<Input>>(
    key: Key,
    change: (value: Frozen<Input[Key]> | undefined) => Frozen<Input[Key]> | undefined,
  ): void;
  /** Applies an object as a JSON merge patch (RFC 7396) to the data, key by key. Throws as {@link set} does. */
  merge(patch: Patch<Input>): void;
}
