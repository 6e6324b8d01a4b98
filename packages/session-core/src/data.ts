import type { Millis } from './environment.js';
import { SessionError } from './errors.js';

/**
 * The data of a session is JSON text with one top-level key per line:
 *
 * ```
 * {
 * "cart":[1,2],
 * "theme":"dark"
 * }
 * ```
 *
 * `JSON.stringify` never emits a raw newline, so a key is found by one search and replaced by one splice, and nothing is parsed that nobody
 * looks at. To everybody else it is plain JSON. Text in any other form is taken through `JSON.parse` once.
 */
export const EMPTY_DATA = '{}';

const MAX_NAME_BYTES = 255;

/** One change, to be replayed over the newest record: of a top-level key, or of how long the session may go unused. */
export type DataChange = KeyChange | { readonly kind: 'idle'; readonly idle: Millis };

export type KeyChange =
  | { readonly kind: 'set'; readonly key: string; readonly json: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'update'; readonly key: string; readonly change: (value: unknown) => unknown };

/** What is wrong with a user, service or key name; undefined when nothing is. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'must be a string';
  if (name.length === 0) return 'must not be empty';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `must be at most ${MAX_NAME_BYTES} bytes`;
  if (/\p{Cc}/u.test(name)) return 'must not contain control characters';
  if (name === '__proto__') return 'must not be __proto__';
  if (/\p{Surrogate}/u.test(name)) return 'must be well-formed Unicode';
  return undefined;
}

export function checkName(what: string, name: unknown): asserts name is string {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new SessionError('INVALID_VALUE', `${what} ${problem}`);
}

/** JSON text of a value. @throws SessionError `INVALID_VALUE` when JSON can't hold it or a key of it is `__proto__`. */
export function toJson(key: string, value: unknown): string {
  if (isThenable(value)) {
    throw new SessionError('INVALID_VALUE', `the value of "${key}" is a promise; await it first`);
  }
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new SessionError('INVALID_VALUE', `the value of "${key}" is not JSON`, { cause });
  }
  if (json === undefined) {
    throw new SessionError(
      'INVALID_VALUE',
      `the value of "${key}" is ${typeof value}, which JSON can't hold`,
    );
  }
  // A quote inside a string is escaped, so this finds keys only.
  if (json.includes('"__proto__":')) {
    throw new SessionError('INVALID_VALUE', `the value of "${key}" has a key __proto__`);
  }
  return json;
}

/** The value of JSON text, frozen through and through; its objects have no prototype. */
export function parseFrozen(json: string): unknown {
  return deepFreeze(JSON.parse(json));
}

/** JSON text of a key's value; undefined when it is not set. */
export function readKey(text: string, key: string): string | undefined {
  const needle = `\n${JSON.stringify(key)}:`;
  const at = text.indexOf(needle);
  if (at < 0) return undefined;
  const start = at + needle.length;
  const end = text.indexOf('\n', start);
  return text.slice(start, text.charCodeAt(end - 1) === 44 ? end - 1 : end);
}

/** The text with a key set to `json`, or removed when that is undefined. */
export function writeKey(text: string, key: string, json: string | undefined): string {
  const name = JSON.stringify(key);
  const needle = `\n${name}:`;
  const at = text.indexOf(needle);
  if (at < 0) {
    if (json === undefined) return text;
    return text === EMPTY_DATA ? `{\n${name}:${json}\n}` : `${text.slice(0, -2)},\n${name}:${json}\n}`;
  }
  const end = text.indexOf('\n', at + 1);
  const last = text.charCodeAt(end - 1) !== 44;
  if (json !== undefined) return `${text.slice(0, at)}${needle}${json}${last ? '' : ','}${text.slice(end)}`;
  if (!last) return text.slice(0, at) + text.slice(end);
  return at === 1 ? EMPTY_DATA : text.slice(0, at - 1) + text.slice(end);
}

export function keysOf(text: string): string[] {
  const keys: string[] = [];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    const line = /"(?:[^"\\]|\\.)*"/y;
    line.lastIndex = at + 1;
    const match = line.exec(text);
    if (match !== null) keys.push(JSON.parse(match[0]) as string);
  }
  return keys;
}

/** Brings any JSON object text into the form above. @throws SessionError `RECORD_CORRUPT`. */
export function normaliseData(text: string): string {
  if (text === EMPTY_DATA || (text.startsWith('{\n"') && text.endsWith('\n}'))) return text;
  let value: unknown;
  try {
    value = JSON.parse(text, (key, member: unknown) => (key === '__proto__' ? undefined : member));
  } catch (cause) {
    throw new SessionError('RECORD_CORRUPT', 'the data of the session is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SessionError('RECORD_CORRUPT', 'the data of the session is not a JSON object');
  }
  const lines = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`,
  );
  return lines.length === 0 ? EMPTY_DATA : `{\n${lines.join(',\n')}\n}`;
}

export function applyChange(text: string, change: KeyChange): string {
  if (change.kind === 'set') return writeKey(text, change.key, change.json);
  if (change.kind === 'delete') return writeKey(text, change.key, undefined);
  const json = readKey(text, change.key);
  const value = change.change(json === undefined ? undefined : parseFrozen(json));
  return writeKey(text, change.key, value === undefined ? undefined : toJson(change.key, value));
}

/** JSON merge patch (RFC 7396) of one value. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const merged: Record<string, unknown> = isPlainObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') throw new SessionError('INVALID_VALUE', 'a key __proto__ is not allowed');
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  if (!Array.isArray(value)) Object.setPrototypeOf(value, null);
  return Object.freeze(value);
}
