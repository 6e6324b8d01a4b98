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

/**
 * What a handler holds: a record plus the changes not yet saved. There is always one, also without a stored session; then `id` is undefined.
 *
 * Values are frozen: change them by `set`, `delete` and `update`. Changes are recorded by top-level key and replayed over the newest
 * record, so that requests which change different keys never lose each other's change; the last `set` of one key wins.
 *
 * Keys are 1 to 255 bytes without control characters, and not `__proto__`.
 */
export interface Session {
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
  readonly client: ClientInfo;

  /** The value of a key, frozen; undefined when it is not set. */
  get<T = unknown>(key: string): T | undefined;
  has(key: string): boolean;
  keys(): readonly string[];
  /** All values, frozen, in an object without prototype. */
  all(): Readonly<Record<string, unknown>>;
  /** JSON text of all values, as it is stored; what {@link get} reads from. */
  readonly text: string;

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
  update<T = unknown>(key: string, change: (value: T | undefined) => T | undefined): void;
  /** Applies an object as a JSON merge patch (RFC 7396) to the data, key by key. Throws as {@link set} does. */
  merge(patch: Readonly<Record<string, unknown>>): void;

  /**
   * Logs `user` in. Stored when it resolves, together with the changes so far. From anonymous: same id, data kept, new secret. As another
   * user: the session ends (`replaced`) and a new one begins without data. As the same user: new secret, data kept.
   * @throws SessionError `HEADERS_SENT`, `INVALID_VALUE` (bad user name), `CONFLICT` (also: the user has too many sessions), `BACKEND_*`.
   */
  login(user: string, options?: LoginOptions): Promise<void>;
  /** Ends the session (`logout`) and drops unsaved changes. @throws SessionError `BACKEND_*`. */
  logout(): Promise<void>;
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
