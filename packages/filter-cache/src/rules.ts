import type { Exchange, Millis } from '@sessionkit/session-core';

/** Fields of an answer, names in lower case. */
export type Fields = Readonly<Record<string, string | readonly string[]>>;

/** Blanks are matched in one place at a time: two that may share them try all the ways to divide them. */
const DIRECTIVE =
  /[\t ]*(?:([\w!#$%&'*+.^`|~-]+)(?:=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)"))?[\t ]*)?(?:,|$)/y;

/**
 * The directives of a Cache-Control field (RFC 9111 section 5.2) by name in lower case, with their values, `''` for none. Undefined when it is malformed or says
 * something twice, so that nobody knows what it says. (`http-cache-semantics` does not know `No-Store` in capitals, and takes the last of two ages.)
 */
function directivesOf(text: string): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  DIRECTIVE.lastIndex = 0;
  while (DIRECTIVE.lastIndex < text.length) {
    const match = DIRECTIVE.exec(text);
    if (match === null) return undefined;
    const [, name, token, quoted] = match;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (found.has(key)) return undefined;
    found.set(key, token ?? quoted ?? '');
  }
  return found;
}

/** What is done with a request. */
export type Use =
  /** Answered from the cache, or its answer is kept. */
  | 'full'
  /** The client wants an answer made now, which then takes the place of the old one. */
  | 'renew'
  /** Neither. */
  | 'none';

/** Fields by which a request asks for something else than the answer as it is. */
const OTHERWISE = [
  'authorization',
  'expect',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
];

export function useOf({ request: { method, headers }, upgrade }: Exchange): Use {
  if (method !== 'GET' || upgrade !== undefined) return 'none';
  if (OTHERWISE.some((name) => headers[name] !== undefined)) return 'none';
  if ((headers['content-length'] ?? '0') !== '0') return 'none';
  const control = headers['cache-control'];
  if (control === undefined && headers.pragma === undefined) return 'full';
  const directives = directivesOf(control ?? '');
  return directives === undefined || directives.has('no-store') ? 'none' : 'renew';
}

/** Safe methods (RFC 9110 section 9.2.1) change nothing that an answer to another request could show. */
export function isSafe(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE';
}

/** An answer that another request may get: for how long after it was asked for, and how old it was when it came. */
export interface Freshness {
  readonly lifetime: Millis;
  readonly age: Millis;
}

/** Fields with which an answer is for one request only. */
const ONCE = ['content-range', 'set-cookie', 'trailer', 'vary', 'www-authenticate'];

/** Undefined: the answer may not be kept. */
export function freshnessOf(exchange: Exchange, status: number, fields: Fields): Freshness | undefined {
  if (status !== 200 || exchange.steered === true) return undefined;
  if (ONCE.some((name) => fields[name] !== undefined)) return undefined;
  if (Object.keys(fields).some((name) => name.startsWith('x-session-'))) return undefined;
  const control = fields['cache-control'];
  const directives = control === undefined ? undefined : directivesOf([control].flat().join(','));
  if (directives === undefined || directives.has('no-store') || directives.has('no-cache')) return undefined;
  // s-maxage is for caches that users share (RFC 9111 section 5.2.2.10).
  const lifetime = seconds(directives.get('max-age'));
  const age = fields.age === undefined ? 0 : seconds([fields.age].flat()[0]);
  if (lifetime === undefined || age === undefined || lifetime <= age) return undefined;
  return { lifetime, age };
}

/** Delta-seconds (RFC 9111 section 1.2.2) in ms; undefined for what is none. */
function seconds(text: string | undefined): Millis | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Math.min(Number(text), 2 ** 31) * 1000;
}

/** Fields of one connection, which are not kept (RFC 9111 section 3.1), and what is said anew each time. */
const NOT_KEPT = new Set([
  'age',
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Names and values, as `writeHead` takes them, less `Age` and `Content-Length`. */
export function keptFields(fields: Fields, receivedAt: Millis): string[] {
  const nominated = [fields.connection ?? []]
    .flat()
    .join(',')
    .toLowerCase()
    .split(/[\t ,]+/);
  const kept: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (NOT_KEPT.has(name) || nominated.includes(name)) continue;
    for (const one of [value].flat()) kept.push(name, one);
  }
  // RFC 9110 section 6.6.1: who receives an answer without a date, and keeps it, adds one.
  if (fields.date === undefined) kept.push('date', new Date(receivedAt).toUTCString());
  return kept;
}
