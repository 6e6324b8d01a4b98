import type { Document } from './conform.js';

/** One request of the fuzz run, as bytes that go over the wire say it. */
export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  /** Credentials that are not right are sent from another address, so that the limit of failures does not end the run. */
  readonly stranger: boolean;
}

/** What the generator may use. */
export interface Material {
  readonly document: Document;
  readonly sessions: () => readonly string[];
  readonly authorizations: readonly string[];
  /** Tokens, to be put into wrong places. (A password there cannot be told from any other word.) */
  readonly secrets: readonly string[];
}

type Random = () => number;

/** A small generator of numbers that repeats with its seed (mulberry32). */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const NAMES = [
  'web',
  'bob',
  'eve',
  'watcher',
  'no such',
  'a/b',
  '1',
  '__proto__',
  'constructor',
  'ü',
  '%',
  '',
];
const WORDS = [
  'v1',
  'sessions',
  'services',
  'users',
  'inet',
  'auth',
  'maxscale',
  'relationships',
  'restart',
  '..',
  '.',
  '',
  ';',
  '*',
];
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PURGE',
  'PROPFIND',
  'LOCK',
  'TRACE',
];
const ODD = [
  '',
  '0',
  '-1',
  '1e400',
  '99999999999999999999',
  'NaN',
  'null',
  'true',
  'yes',
  '\u0000',
  '\r\n',
  '"',
  "'",
  '[',
  '(((',
  '%00',
  '%zz',
  '%',
  '../..',
  '{}',
  '💥',
  'ￜ',
  'x'.repeat(300),
  '__proto__',
  '1',
  '2x',
  ' ',
];
const FILTERS = [
  '/attributes/user="ann"',
  'id=ne("x")',
  '/attributes/idle=ge(0)',
  'and(',
  '/x=eq(1e400)',
  '=or(1,2)',
  '/attributes=and(not(eq(1)),ne(2))',
  'x'.repeat(500),
  `/a=${'not('.repeat(200)}1${')'.repeat(200)}`,
];
const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['If-Match', ['*', '"1"', 'W/"x"', '"', ',']],
  ['If-None-Match', ['*', '"1"', '"a", "b"']],
  ['If-Modified-Since', ['Mon, 01 Jun 2026 12:00:00 GMT', 'yesterday']],
  ['If-Unmodified-Since', ['Mon, 01 Jun 2020 12:00:00 GMT', '0']],
  ['X-HTTP-Method-Override', ['DELETE', 'PATCH']],
  ['Origin', ['http://localhost', 'https://evil.example', 'null']],
  ['Sec-Fetch-Site', ['cross-site', 'same-origin', 'none']],
  ['X-Requested-With', ['XMLHttpRequest']],
  [
    'Content-Type',
    [
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
    ],
  ],
  ['Accept', ['application/json, text/plain, */*', 'text/html']],
  ['Range', ['bytes=0-1']],
  ['Expect', ['100-continue', 'tea']],
  ['Cookie', ['web=x.y', 'token_sig=1']],
  ['X-Forwarded-For', ['203.0.113.9']],
  ['Accept-Encoding', ['gzip', 'identity;q=0']],
];
const USER = { id: 'bob', type: 'inet', attributes: { password: 'fuzzed password', account: 'basic' } };
const BODIES: Readonly<Record<string, readonly unknown[]>> = {
  'sessions.alter': [
    { data: { attributes: { parameters: { log_info: true } } } },
    {
      data: {
        attributes: { parameters: { log_debug: false, log_error: true } },
        relationships: { filters: { data: [] } },
      },
    },
  ],
  'sessions.alterFilters': [{ data: [] }, { data: [{ id: 'nope', type: 'filters' }] }],
  'services.alter': [{ data: { attributes: { parameters: { session_trace: 5 } } } }],
  'maxscale.alter': [{ data: { attributes: { parameters: { retain_last_statements: 2 } } } }],
  'users.add': [{ data: USER }, { data: { ...USER, id: 'eve' } }],
  'users.alter': [
    { data: { attributes: { password: 'another fuzzed one' } } },
    { data: { attributes: { account: 'basic' } } },
  ],
};
const VALUES = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  'x',
  [],
  {},
  [[[]]],
  { data: null },
  { a: { b: {} } },
  'y'.repeat(2_000),
];

/** The request with this number. */
export function fuzzRequest(index: number, seed: number, material: Material): FuzzRequest {
  const random = seeded(seed * 1_000_003 + index);
  const chance = (share: number) => random() < share;
  const below = (end: number) => Math.floor(random() * end);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const operations = Object.entries(material.document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );

  const known = chance(0.8) ? pick(operations) : undefined;
  let method = known === undefined || chance(0.05) ? pick(METHODS) : known.method.toUpperCase();
  if (method === 'GET' && chance(0.05)) method = 'HEAD';

  const segment = (name: string) => {
    const sessions = material.sessions();
    return name === 'id' && sessions.length > 0 && chance(0.8) ? pick(sessions) : pick(NAMES);
  };
  let path =
    known === undefined
      ? Array.from(
          { length: 1 + below(5) },
          () => `/${encodeURIComponent(pick([...WORDS, ...NAMES, ...ODD]))}`,
        ).join('')
      : known.path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(segment(name)));
  if (chance(0.1)) path = mutated(path);
  if (chance(0.03)) path += `/${encodeURIComponent(pick(material.secrets))}`;

  const parameters =
    known?.operation.parameters?.filter((each) => each.in === 'query').map((each) => each.name) ?? [];
  const query: string[] = [];
  for (const name of parameters) {
    if (!chance(0.35)) continue;
    const value =
      name === 'filter'
        ? pick(FILTERS)
        : chance(0.6)
          ? String(1 + below(50))
          : pick([...ODD, 'user,client/cipher', 'state', '0-3']);
    query.push(`${encodeURIComponent(chance(0.1) ? name.toUpperCase() : name)}=${encodeURIComponent(value)}`);
  }
  if (chance(0.08))
    query.push(
      `filter[${encodeURIComponent(pick(['attributes.user', '$.id', "['a']", '*', '[', '']))}]=${encodeURIComponent(pick(FILTERS))}`,
    );
  if (chance(0.1)) query.push(`${pick(['pretty', 'sync', 'rdns'])}=${pick(['no', 'yes', '0', 'false'])}`);
  if (chance(0.04))
    query.push(
      `${encodeURIComponent(pick(['x', 'token', 'a[b]', '__proto__']))}=${encodeURIComponent(pick([...ODD, ...material.secrets]))}`,
    );
  let target = query.length === 0 ? path : `${path}?${query.join('&')}`;
  if (chance(0.02)) target = mutated(target);
  if (chance(0.004)) target += 'x'.repeat(below(30_000));

  const headers: [string, string][] = [];
  const stranger = chance(0.06);
  if (!stranger) headers.push(['Authorization', pick(material.authorizations)]);
  else if (chance(0.8))
    headers.push(['Authorization', mutated(pick([...material.authorizations, ...material.secrets]))]);
  for (let i = below(3); i > 0 && chance(0.4); i--) {
    const [name, values] = pick(HEADERS);
    headers.push([name, chance(0.85) ? pick(values) : pick(ODD)]);
  }
  if (chance(0.01)) headers.push(['X-Long', 'h'.repeat(below(30_000))]);
  headers.push([
    'Host',
    chance(0.97) ? 'localhost' : pick(['evil.example', '', 'a/b', 'localhost:x', '[::1]']),
  ]);

  let body: string | undefined;
  const samples =
    BODIES[known?.operation.operationId ?? ''] ?? (chance(0.05) ? Object.values(BODIES).flat() : []);
  if (samples.length > 0) {
    const sample = structuredClone(pick(samples));
    // The name of a new user is shown to all, whatever it is.
    const values = known?.operation.operationId === 'users.add' ? VALUES : [...VALUES, ...material.secrets];
    if (chance(0.4)) plant(sample, () => pick(values));
    body = JSON.stringify(sample);
    if (chance(0.15)) body = mutated(body);
    if (chance(0.01)) body += ' '.repeat(below(200_000));
  } else if (chance(0.03)) body = pick(ODD);
  return { method, path: target, headers, body, stranger };

  function mutated(text: string): string {
    const at = below(text.length + 1);
    switch (below(4)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + pick(ODD) + text.slice(at);
      case 2:
        return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
      default:
        return text + text.slice(at);
    }
  }

  function plant(value: unknown, make: () => unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const members = value as Record<string, unknown>;
    const keys = Object.keys(members);
    if (keys.length === 0 || chance(0.15)) {
      members[pick(['x', 'id', 'type', 'password', 'constructor'])] = make();
      return;
    }
    const key = pick(keys);
    if (chance(0.35)) members[key] = make();
    else plant(members[key], make);
  }
}
