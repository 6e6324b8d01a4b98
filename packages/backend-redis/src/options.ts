import { type LogEntry, type Millis, processEnvironment, SessionError } from '@sessionkit/session-core';

/** Names of the members of the hash that a session is. */
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
  /** JSON text of the session's data. */
  readonly data: string;
  /** Last use, ms of the Unix epoch. */
  readonly seen: string;
  /** Counts logins. */
  readonly epoch: string;
  /** An operator's end to come, ms of the Unix epoch; absent when none is set. */
  readonly kill: string;
  /** JSON array of time, cause, author and the end of its keeping; absent while the session has not ended. */
  readonly ended: string;
  /** JSON array of all that is not a member of its own. */
  readonly head: string;
}

export const DEFAULT_NAMES: MemberNames = {
  sid: 'sid',
  user: 'user',
  service: 'service',
  ip: 'ip',
  start: 'start',
  stop: 'stop',
  data: 'data',
  seen: 'seen',
  epoch: 'epoch',
  kill: 'kill',
  ended: 'ended',
  head: 'head',
};

export interface RedisOptions {
  readonly names?: { readonly [Name in keyof MemberNames]?: string | undefined } | undefined;
  /** What every key and the channel of notices begin with. Without braces. Default `sessionkit:`. */
  readonly prefix?: string | undefined;
  /** Within how many ms of being sent a write must reach the store; a later one is refused there. Default 2,000. */
  readonly writeWithin?: Millis | undefined;
  /** Largest record in bytes. Default 4 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /**
   * Whether a save or an end is acknowledged only when the replicas have it, so that a fail-over to one of them loses nothing that was. Without a replica nothing is
   * acknowledged then. Default false.
   */
  readonly durable?: boolean | undefined;
  /** Takes warnings about the store, and what a listener for changes threw. Default: the log of `processEnvironment`. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

export const DEFAULT_PREFIX = 'sessionkit:';
const DEFAULT_WRITE_WITHIN: Millis = 2_000;
export const DEFAULT_MAX_RECORD_BYTES = 4 * 1024 * 1024;

export interface CheckedOptions {
  readonly names: MemberNames;
  readonly prefix: string;
  readonly writeWithin: Millis;
  readonly maxRecordBytes: number;
  readonly durable: boolean;
  readonly log: (entry: LogEntry) => void;
}

export function checked(options: RedisOptions): CheckedOptions {
  const given = Object.entries(options.names ?? {}).filter(([, name]) => name !== undefined);
  const names: MemberNames = { ...DEFAULT_NAMES, ...Object.fromEntries(given) };
  const clash = Object.values(names).includes('') ? 'a name is empty: give one' : clashOf(names);
  if (clash !== undefined) throw new SessionError('CONFIG_INVALID', `names: ${clash}`);
  const prefix = options.prefix ?? DEFAULT_PREFIX;
  const problem = prefixProblem(prefix);
  if (problem !== undefined) throw new SessionError('CONFIG_INVALID', `prefix ${problem}`);
  return {
    names,
    prefix,
    writeWithin: positive('writeWithin', options.writeWithin ?? DEFAULT_WRITE_WITHIN),
    maxRecordBytes: positive('maxRecordBytes', options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES),
    durable: options.durable ?? false,
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

/** Keys have the id in braces, so that a Cluster keeps what belongs to a session in one slot: the first brace counts. */
export function prefixProblem(prefix: string): string | undefined {
  if (prefix === '') return 'must not be empty: every session of the database would be taken for ours';
  return /[{}]/.test(prefix) ? 'must not contain braces: they choose the slot in a Cluster' : undefined;
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new SessionError('CONFIG_INVALID', `${name} must be a whole number of at least 1, not ${value}`);
}
