import type { ClientInfo, Ended, PriorSecret } from './record.js';

// What a store has kept of a record may have been written by anybody. Each of these answers a member as what it has to be; what is something else throws an Error that names the member and
// says nothing of its value, and becomes `RECORD_CORRUPT` in the record's place.

/** Members of an object that was stored, of which nothing is known yet. */
type Unread<T> = Readonly<Partial<Record<keyof T, unknown>>>;

/** @throws Error unless it is a text. */
export function storedText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw damaged(value, name, 'text');
  return value;
}

/** @throws Error unless it is a finite number. */
export function storedNumber(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw damaged(value, name, 'number');
  return value;
}

/**
 * A whole number that can be counted with. It may be in decimal text: drivers of databases hand out numbers of 64 bits so.
 *
 * @throws Error unless it is one.
 */
export function storedWhole(value: unknown, name: string): number {
  const found = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof found !== 'number' || !Number.isSafeInteger(found)) throw damaged(value, name, 'whole number');
  return found;
}

/** @throws Error unless it is a version: 1, 2, 3, …, which may be in decimal text. */
export function storedVersion(value: unknown): number {
  const found = storedWhole(value, 'version');
  if (found < 1) throw new Error('version is less than 1');
  return found;
}

/** @throws Error unless it is a list of texts. */
export function storedTexts(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw damaged(value, name, 'list of texts');
  return value;
}

/**
 * An object, no list. What its members are is not looked at: the type that is asked for is the caller's word.
 *
 * @throws Error unless it is one.
 */
export function storedObject<T extends object>(value: unknown, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw damaged(value, name, 'object');
  return value as T;
}

/**
 * What a text is as JSON. The message of a parser would quote what it could not parse.
 *
 * @throws Error unless it is JSON.
 */
export function storedJson(value: unknown, name: string): unknown {
  const json = storedText(value, name);
  try {
    return JSON.parse(json);
  } catch {
    throw new Error(`${name} is no JSON`);
  }
}

/** What `read` answers; undefined for a member that was not stored. */
export function storedOptional<T>(
  value: unknown,
  read: (value: unknown, name: string) => T,
  name: string,
): T | undefined {
  return value === undefined ? undefined : read(value, name);
}

/** @throws Error unless it is a secret before the present one. */
export function storedPrior(value: unknown): PriorSecret {
  const { hash, kind, until } = storedObject<Unread<PriorSecret>>(value, 'prior');
  if (kind !== 'rotated' && kind !== 'superseded') throw damaged(kind, 'prior.kind', 'such kind');
  return {
    hash: storedText(hash, 'prior.hash'),
    kind,
    until: storedOptional(until, storedNumber, 'prior.until'),
  };
}

/** @throws Error unless it says when, why and by whom a session was ended. A cause of a newer version is handed on. */
export function storedEnded(value: unknown): Ended {
  const { at, cause, by } = storedObject<Unread<Ended>>(value, 'ended');
  return {
    at: storedNumber(at, 'ended.at'),
    cause: storedText(cause, 'ended.cause') as Ended['cause'],
    by: storedOptional(by, storedText, 'ended.by'),
  };
}

/**
 * @param ip The address, where it is not kept with the others.
 * @throws Error unless it describes a client.
 */
export function storedClient(value: unknown, ip?: string): ClientInfo {
  const client = storedObject<Unread<ClientInfo>>(value, 'client');
  return {
    ip: ip ?? storedText(client.ip, 'client.ip'),
    port: storedNumber(client.port, 'client.port'),
    cipher: storedText(client.cipher, 'client.cipher'),
    userAgent: storedText(client.userAgent, 'client.userAgent'),
    attributes: storedObject(client.attributes, 'client.attributes'),
  };
}

function damaged(value: unknown, name: string, wanted: string): Error {
  const missing = value === undefined || value === null;
  return new Error(missing ? `${name} is missing` : `${name} is no ${wanted}`);
}
