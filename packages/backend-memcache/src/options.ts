import {
  ID_LENGTH,
  type LogEntry,
  type Millis,
  processEnvironment,
  SessionError,
} from '@sessionkit/session-core';

/** Names of the members of the JSON that is the first line of a session. */
export interface MemberNames {
  /** The session id. */
  readonly sid: string;
  readonly user: string;
  readonly service: string;
  /** Address of the client. */
  readonly ip: string;
  /** Start of the session, ms of the Unix epoch. */
  readonly start: string;
  /** The end that no use can move, ms of the Unix epoch. */
  readonly stop: string;
  /** Time, cause and author of its end; absent while the session has not ended. */
  readonly ended: string;
  /** Array of all that is not a member of its own. */
  readonly head: string;
}

export const DEFAULT_NAMES: MemberNames = {
  sid: 'sid',
  user: 'user',
  service: 'service',
  ip: 'ip',
  start: 'start',
  stop: 'stop',
  ended: 'ended',
  head: 'head',
};

export interface MemcacheOptions {
  readonly names?: { readonly [Name in keyof MemberNames]?: string | undefined } | undefined;
  /** What every key begins with: printable ASCII without blanks, at most {@link MAX_PREFIX} characters. Default `sessionkit:`. */
  readonly prefix?: string | undefined;
  /** Largest record in bytes, its key included. Default 1,000,000: a server takes a little less than its `-I`, 1 MiB by default. */
  readonly maxRecordBytes?: number | undefined;
  /** The time of this process, ms of the Unix epoch: memcached's own is not used. Default `Date.now`. */
  readonly now?: (() => Millis) | undefined;
  /** Takes warnings about how the servers are set up. Default: the log of `processEnvironment`. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

export const DEFAULT_PREFIX = 'sessionkit:';
export const DEFAULT_MAX_RECORD_BYTES = 1_000_000;
/** Longest key that memcached takes, in bytes. */
const KEY_BYTES = 250;
/** What the longest of our keys has behind the prefix, at most. */
const BEHIND_PREFIX = Math.max(ID_LENGTH + 5, 64);
export const MAX_PREFIX = KEY_BYTES - BEHIND_PREFIX;

export interface CheckedOptions {
  readonly names: MemberNames;
  readonly prefix: string;
  readonly maxRecordBytes: number;
  readonly now: () => Millis;
  readonly log: (entry: LogEntry) => void;
}

export function checked(options: MemcacheOptions): CheckedOptions {
  const given = Object.entries(options.names ?? {}).filter(([, name]) => name !== undefined);
  const names: MemberNames = { ...DEFAULT_NAMES, ...Object.fromEntries(given) };
  const clash = Object.values(names).includes('') ? 'a name is empty: give one' : clashOf(names);
  if (clash !== undefined) throw new SessionError('CONFIG_INVALID', `names: ${clash}`);
  const { prefix = DEFAULT_PREFIX, maxRecordBytes = DEFAULT_MAX_RECORD_BYTES } = options;
  const problem = prefixProblem(prefix);
  if (problem !== undefined) throw new SessionError('CONFIG_INVALID', `prefix ${problem}`);
  if (!Number.isSafeInteger(maxRecordBytes) || maxRecordBytes < 1)
    throw new SessionError(
      'CONFIG_INVALID',
      `maxRecordBytes must be a whole number of at least 1, not ${maxRecordBytes}`,
    );
  return {
    names,
    prefix,
    maxRecordBytes,
    now: options.now ?? Date.now,
    log: options.log ?? processEnvironment.log,
  };
}

/** Says which member's name is used twice; undefined when none is. */
export function clashOf(names: MemberNames): string | undefined {
  const used = new Set<string>();
  for (const name of Object.values(names) as string[]) {
    if (used.has(name)) return `"${name}" names two members: choose another name`;
    used.add(name);
  }
  return undefined;
}

/** The protocol takes a blank or a control character for the end of a key, and refuses one that is longer than 250 bytes. */
export function prefixProblem(prefix: string): string | undefined {
  if (prefix === '') return 'must not be empty: every key of the servers would be taken for ours';
  if (!/^[!-~]*$/.test(prefix)) return 'must be printable ASCII without blanks: memcached takes no other key';
  return prefix.length > MAX_PREFIX
    ? `has ${prefix.length} characters: at most ${MAX_PREFIX}, since a key of memcached has at most ${KEY_BYTES}`
    : undefined;
}
