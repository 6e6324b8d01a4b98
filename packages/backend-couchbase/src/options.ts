import { createHash } from 'node:crypto';
import { type Environment, type Millis, SessionError, type SessionId } from '@sessionkit/session-core';

export const DEFAULT_PREFIX = 'session:';
const PREFIX_BYTES = 150;
const DEFAULT_DEADLINE: Millis = 2_000;

/** How many nodes must have a write, and where, before it is acknowledged: https://docs.couchbase.com/server/current/learn/data/durability.html */
export const LEVELS = ['majority', 'majority_and_persist_to_active', 'persist_to_majority'] as const;
export type Level = (typeof LEVELS)[number];

/** Members of a document that have a name of the caller's choice, and their usual names. */
export const FIELDS = { token: 'token', ip: 'ip', start: 'start', stop: 'stop' } as const;
export type Field = keyof typeof FIELDS;
/** Those that have not. */
const OWN = ['user', 'service', 'data', 'due', 'session'];

export interface CouchbaseOptions {
  /** What every key begins with, at most 150 bytes. Default `session:`. */
  readonly prefix?: string | undefined;
  /** Names of the members that people read. */
  readonly names?: Readonly<Partial<Record<Field, string | undefined>>> | undefined;
  /** Saves and ends are acknowledged when the replicas have them: `true` is `majority`. Default false: when the active node has them in memory. */
  readonly durable?: boolean | Level | undefined;
  /** How long the SDK tries an operation, in ms: as long as core waits. Default 2,000. */
  readonly deadline?: Millis | undefined;
  /** The time, from which the SDK's expiry is counted. Default `Date.now`. */
  readonly now?: Environment['now'] | undefined;
}

export interface CheckedOptions {
  readonly keys: Keys;
  readonly names: Readonly<Record<Field, string>>;
  readonly level: Level | undefined;
  readonly deadline: Millis;
  readonly now: Environment['now'];
}

/** @throws SessionError `CONFIG_INVALID` */
export function checked(options: CouchbaseOptions): CheckedOptions {
  const { prefix = DEFAULT_PREFIX, durable = false, deadline = DEFAULT_DEADLINE } = options;
  const names = namesOf(options.names ?? {});
  const fault = prefixFault(prefix) ?? clashOf(names);
  if (fault !== undefined) throw new SessionError('CONFIG_INVALID', fault);
  if (!Number.isSafeInteger(deadline) || deadline < 1)
    throw new SessionError(
      'CONFIG_INVALID',
      `deadline must be a whole number of at least 1, not ${deadline}`,
    );
  const level = durable === true ? 'majority' : durable === false ? undefined : durable;
  if (level !== undefined && !LEVELS.includes(level))
    throw new SessionError('CONFIG_INVALID', `durable must be true, false or one of ${LEVELS.join(', ')}`);
  return { keys: new Keys(prefix), names, level, deadline, now: options.now ?? Date.now };
}

export function namesOf(given: Partial<Record<Field, string | undefined>>): Record<Field, string> {
  const names = Object.entries(FIELDS).map(([field, name]) => [field, given[field as Field] ?? name]);
  return Object.fromEntries(names) as Record<Field, string>;
}

/** Says why these names are not possible; undefined when they are. */
export function clashOf(names: Readonly<Record<Field, string>>): string | undefined {
  const used = new Set(OWN);
  for (const name of Object.values(names)) {
    if (name === '') return 'a member of a document cannot be named "": choose a name';
    if (used.has(name)) return `"${name}" already names another member: choose another name`;
    used.add(name);
  }
  return undefined;
}

export function prefixFault(prefix: string): string | undefined {
  const bytes = Buffer.byteLength(prefix);
  if (/\p{Cs}/u.test(prefix)) return 'a prefix with half of a surrogate pair is no key: choose another';
  return bytes <= PREFIX_BYTES
    ? undefined
    : `a prefix of ${bytes} bytes leaves no room in a key: choose one of at most ${PREFIX_BYTES}`;
}

/** Keys of one prefix. What stands behind it begins with a word and a colon, or is the id of a session, in which there is no colon. */
export class Keys {
  readonly processes: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.processes = `${prefix}processes`;
  }

  session(id: SessionId | string): string {
    return this.#prefix + id;
  }

  /** The id in a key of {@link session}. */
  idIn(key: string): string {
    return key.slice(this.#prefix.length);
  }

  seen(id: SessionId): string {
    return `${this.#prefix}seen:${id}`;
  }

  journal(id: SessionId): string {
    return `${this.#prefix}journal:${id}`;
  }

  user(user: string): string {
    return `${this.#prefix}user:${digest(user)}`;
  }

  process(name: string): string {
    return `${this.#prefix}process:${digest(name)}`;
  }
}

/** Stands for a text of any length and any characters. Half of a surrogate pair is not the same as another half. */
export function digest(text: string): string {
  return createHash('sha256').update(JSON.stringify(text)).digest('base64url');
}
