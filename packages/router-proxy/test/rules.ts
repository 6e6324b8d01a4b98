import { toToken } from '@sessionkit/session-core';
import { withoutQueries } from '../src/credentials.js';
import { upstreamFields } from '../src/down.js';
import type { RawFields } from '../src/fields.js';
import { originForm } from '../src/target.js';
import { clientFields } from '../src/up.js';
import { ADMIN, carriers } from './harness.js';

/** The rules of what passes, as the router applies them. */
export interface Rules {
  up(raw: RawFields): string[];
  down(raw: RawFields): string[];
  target(url: string): string;
}

export const rules: Rules = {
  up: (raw) => clientFields(raw, carriers),
  down: (raw) => upstreamFields(raw, carriers),
  target: (url) => {
    const form = originForm(url);
    return typeof form === 'string' ? withoutQueries(form, carriers.queries) : form.kind;
  },
};

export interface RuleCase {
  readonly name: string;
  readonly way: 'up' | 'down' | 'target';
  readonly given: readonly string[];
  readonly left: readonly string[];
}

const SECRET = `${'A'.repeat(42)}A`;
export const TOKEN = toToken(`s0${'1'.repeat(25)}` as Parameters<typeof toToken>[0], SECRET);

const way =
  (direction: RuleCase['way']) =>
  (name: string, given: readonly string[], left: readonly string[] = []): RuleCase => ({
    name,
    way: direction,
    given,
    left,
  });
const up = way('up');
const down = way('down');
const target = way('target');

const A = ['X-A', '1'];
const same = (make: typeof up, name: string, fields: readonly string[]) => make(name, fields, fields);
/** Each of them is dropped and takes nothing with it. */
const gone = (make: typeof up, name: string, ...names: string[]) =>
  names.map((field) => make(`${name}: ${field}`, [field, 'x', ...A], A));

export const cases: readonly RuleCase[] = [
  same(up, 'names keep their case, duplicates stay and stay in order', [
    'X-A',
    '1',
    'x-a',
    '2',
    'X-B',
    '3',
    'X-A',
    '4',
  ]),
  same(up, 'Latin-1 bytes and tabs stay', ['X-A', '\u00e9\u00ff\t\u0080']),
  same(up, 'Content-Length stays', ['Content-Length', '3']),
  same(up, 'what only looks alike stays', [
    'X-Session',
    'a',
    'X-Sessions-Id',
    'b',
    'My-X-Session-Id',
    'c',
    'Cookies',
    'd',
  ]),
  ...gone(
    up,
    'of one connection',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'HTTP2-Settings',
  ),
  ...gone(
    up,
    'the gateway speaks of the session',
    'X-Session-Id',
    'x-session-user',
    'X-SESSION-DATA',
    'X-Session-Signature',
    'X-Session-Anything',
    'X_Session_User',
    'x-session_user',
    'X_SESSION-id',
    'X.Session.User',
  ),
  ...gone(
    up,
    'the gateway says where a request comes from',
    'Forwarded',
    'X-Forwarded-For',
    'x-forwarded-proto',
    'X-Forwarded-Host',
    'X-Forwarded-Prefix',
    'X_Forwarded_For',
    'X~Forwarded-For',
    'X-Real-IP',
    'X-Request-Id',
    'Host',
    'Expect',
    'Proxy',
  ),
  up(
    'what Connection nominates goes, in any case, from any of them',
    ['X-B', '1', 'Connection', 'close, x-b', 'connection', 'X-C ,', 'x-c', '2', ...A],
    A,
  ),
  up(
    'Content-Length can not be nominated',
    ['Connection', 'Content-Length', 'Content-Length', '3'],
    ['Content-Length', '3'],
  ),
  up(
    'a nominated X-Session-User goes like any other',
    ['Connection', 'X-Session-User', 'X-Session-User', 'root', ...A],
    A,
  ),
  up(
    'our cookies go, the others stay byte for byte',
    ['Cookie', 'a="1"; sid=x;b=\u00e9 ; other-sid=y; c=3; sid=z'],
    ['Cookie', 'a="1";b=\u00e9 ; c=3'],
  ),
  up('the first cookie goes with the space after it', ['Cookie', 'sid=x; b=2'], ['Cookie', 'b=2']),
  up('a Cookie field without others goes as a whole', ['Cookie', 'sid=x', 'Cookie', ' sid = y ;', ...A], A),
  same(up, 'a cookie whose name only contains ours stays', ['Cookie', 'xsid=1; sid2=2;  SID=3; a=sid=4']),
  up(
    'a token of ours in Authorization goes, however it is written',
    [
      'Authorization',
      `Bearer ${TOKEN}`,
      'authorization',
      `bEARER   ${TOKEN} `,
      'Authorization',
      `Bearer x, Bearer ${TOKEN}`,
      ...A,
    ],
    A,
  ),
  same(up, "somebody's JWT and somebody's password stay", [
    'Authorization',
    'Bearer eyJ.eyJ.sig',
    'Authorization',
    `Basic ${TOKEN}`,
    'Authorization',
    'Basic dTpw',
  ]),
  up('the credential of the admin API goes', ['Authorization', ADMIN, ...A], A),
  up(
    'a token in the Referer goes',
    ['Referer', 'https://a/b?_token=x&c=1#d'],
    ['Referer', 'https://a/b?c=1#d'],
  ),

  same(down, 'names keep their case, duplicates stay and stay in order', [
    'Set-Cookie',
    'a=1',
    'X-A',
    '1',
    'set-cookie',
    'b=2',
  ]),
  same(down, 'Latin-1 bytes stay', ['X-A', '\u00e9\u00ff']),
  same(down, 'Content-Length, Date and Server stay', ['Content-Length', '3', 'Date', 'x', 'Server', 'y']),
  ...gone(
    down,
    'of one connection',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authenticate',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
  ),
  ...gone(
    down,
    'steering and echoes',
    'X-Session-User',
    'x-session-data',
    'X-Session-Destroy',
    'X-Session-Id',
    'X-Session-New',
    'X_Session_User',
    'X.Session.User',
  ),
  ...gone(down, 'credentials', 'Session-Token', 'Authorization'),
  down('what Connection nominates goes', ['Connection', 'x-b', 'X-B', '1', ...A], A),
  down(
    'Content-Length can not be nominated',
    ['Connection', 'content-length', 'Content-Length', '3'],
    ['Content-Length', '3'],
  ),
  down(
    'cookies of our names are not set',
    ['Set-Cookie', 'sid=x; Path=/', 'set-cookie', ' other-sid =y', ...A],
    A,
  ),
  down(
    'nor by a cookie without a name, which a browser sends as if it had one',
    ['Set-Cookie', '=sid=x; Path=/', 'Set-Cookie', ' = sid=x', ...A],
    A,
  ),
  same(down, 'cookies of other names are set', [
    'Set-Cookie',
    'sid2=x',
    'Set-Cookie',
    'SID=x',
    'Set-Cookie',
    'a=sid=x; sid=y',
    'Set-Cookie',
    'flag; sid=y',
  ]),

  same(target, 'a target in origin form stays', ['/a/b%20c?x=%41&y']),
  target(
    'our parameters go, the others stay byte for byte',
    ['/a?x=%41&_token=s&y=+&_token&z'],
    ['/a?x=%41&y=+&z'],
  ),
  target(
    'a parameter is recognised however its name is encoded',
    ['/a?%5ftoken=1&_%74oken=2&%5F%54oken=3&b'],
    ['/a?%5F%54oken=3&b'],
  ),
  target('with the last parameter the question mark goes', ['/a?_token=s'], ['/a']),
  same(target, 'a parameter whose name only contains ours stays', ['/a?x_token=1&_tokens=2&a=_token=3']),
  target('absolute form is brought to origin form', ['http://other.example:81/a?b&_token=1'], ['/a?b']),
  target('absolute form without a path', ['HTTPS://other.example?b'], ['/?b']),
  target('a fragment is cut off', ['/a?b#c?_token=1'], ['/a?b']),
  target('another scheme is refused', ['ftp://other.example/a'], ['refused']),
  target('an authority is refused', ['other.example:80'], ['refused']),
  target('an asterisk is told apart', ['*'], ['asterisk']),
];

export function check(all: Rules, { way: direction, given, left, name }: RuleCase): void {
  const got = direction === 'target' ? [all.target(given[0] ?? '')] : all[direction](given);
  if (JSON.stringify(got) !== JSON.stringify(left)) {
    throw new Error(`${name}: ${JSON.stringify(got)} in place of ${JSON.stringify(left)}`);
  }
}
