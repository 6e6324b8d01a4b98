import { type LogEntry, type Millis, processEnvironment, SessionError } from '@sessionkit/session-core';

/** Names under which {@link MemoryBackend.row} shows members of a session. A name that is not given is not shown. */
export interface RowNames {
  /** The session id. Default `sid`. */
  readonly sid?: string | undefined;
  /** Address of the client. */
  readonly ip?: string | undefined;
  /** Start of the session, ms of the Unix epoch. */
  readonly start?: string | undefined;
  /** The end that no use can move, ms of the Unix epoch. */
  readonly stop?: string | undefined;
}

export interface MemoryOptions {
  /** Largest number of sessions, ended ones that are still kept included. Default 100,000. */
  readonly maxSessions?: number | undefined;
  /** Largest number of bytes that the sessions and their journals take, as they are estimated. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  readonly names?: RowNames | undefined;
  /** Clock of the store, in ms of the Unix epoch. Default `Date.now`. */
  readonly now?: (() => Millis) | undefined;
  /** Takes what a listener for changes threw. Default: the log of `processEnvironment`. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

export const DEFAULT_MAX_SESSIONS = 100_000;
export const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
export const DEFAULT_SID = 'sid';

/** Members of a row that have no name of their own. */
const ROW_MEMBERS = ['user', 'version', 'data', 'ended'];

export interface CheckedOptions {
  readonly maxSessions: number;
  readonly maxBytes: number;
  readonly names: RowNames & { readonly sid: string };
  readonly now: () => Millis;
  readonly log: (entry: LogEntry) => void;
}

export function checked(options: MemoryOptions): CheckedOptions {
  const names = { ...options.names, sid: options.names?.sid ?? DEFAULT_SID };
  const clash = clashOf(names);
  if (clash !== undefined) throw new SessionError('CONFIG_INVALID', `names: ${clash}`);
  return {
    maxSessions: positive('maxSessions', options.maxSessions ?? DEFAULT_MAX_SESSIONS),
    maxBytes: positive('maxBytes', options.maxBytes ?? DEFAULT_MAX_BYTES),
    names,
    now: options.now ?? Date.now,
    log: options.log ?? processEnvironment.log,
  };
}

/** Says which name of a row is used twice; undefined when none is. */
export function clashOf({ sid, ip, start, stop }: RowNames): string | undefined {
  const used = new Set(ROW_MEMBERS);
  for (const name of [sid, ip, start, stop]) {
    if (name === undefined) continue;
    if (used.has(name)) return `"${name}" already names another member of the row: choose another name`;
    used.add(name);
  }
  return undefined;
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new SessionError('CONFIG_INVALID', `${name} must be a whole number of at least 1, not ${value}`);
}
