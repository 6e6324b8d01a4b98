import type { RawFields } from '../src/fields.js';
import { type Rules, rules, TOKEN } from './rules.js';

export interface RuleMutant {
  readonly name: string;
  readonly rules: Rules;
}

type Keep = (name: string, value: string) => boolean;

/** Fields of these names pass whatever the rule says. */
const leaking =
  (rule: Rules['up'], leaks: Keep): Rules['up'] =>
  (raw) => {
    const passed: string[] = [];
    for (let i = 0; i < raw.length; i += 2) {
      const [name = '', value = ''] = raw.slice(i, i + 2);
      if (leaks(name.toLowerCase(), value)) passed.push(name, value);
      // The fields of Connection are shown with each, so that nominations still work.
      else passed.push(...rule([...connections(raw), name, value]));
    }
    return passed;
  };

const connections = (raw: RawFields): string[] =>
  raw.filter((_, i) => raw[i - (i % 2)]?.toLowerCase() === 'connection');

const on = (way: 'up' | 'down', name: string, change: (rule: Rules['up']) => Rules['up']): RuleMutant => ({
  name: `${way}: ${name}`,
  rules: { ...rules, [way]: change(rules[way]) },
});
const leak = (way: 'up' | 'down', name: string, leaks: Keep) =>
  on(way, `lets ${name} pass`, (rule) => leaking(rule, leaks));
const each = (way: 'up' | 'down', names: readonly string[]) =>
  names.map((name) => leak(way, name, (field) => field === name));
const edit = (name: string, change: (url: string, real: string) => string): RuleMutant => ({
  name: `target: ${name}`,
  rules: { ...rules, target: (url) => change(url, rules.target(url)) },
});
const values = (change: (name: string, value: string) => string) => (rule: Rules['up']) => (raw: RawFields) =>
  rule(raw).map((part, i, all) => (i % 2 === 0 ? part : change((all[i - 1] ?? '').toLowerCase(), part)));
/** The rule does not see this field of `Connection`. */
const blind = (hides: (value: string) => boolean) => (rule: Rules['up']) => (raw: RawFields) =>
  rule(
    raw.filter(
      (_, i) => !(raw[i - (i % 2)]?.toLowerCase() === 'connection' && hides(raw[i - (i % 2) + 1] ?? '')),
    ),
  );
const without = (drops: Keep) => (rule: Rules['up']) => (raw: RawFields) => {
  const left = rule(raw);
  return left.filter((_, i) => !drops((left[i - (i % 2)] ?? '').toLowerCase(), left[i - (i % 2) + 1] ?? ''));
};
const sorted = (rule: Rules['up']) => (raw: RawFields) => {
  const left = rule(raw);
  const pairs = Array.from({ length: left.length / 2 }, (_, i) => left.slice(2 * i, 2 * i + 2));
  return pairs.sort(([a = ''], [b = '']) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)).flat();
};
const unique = (rule: Rules['up']) => (raw: RawFields) => {
  const left = rule(raw);
  const lower = left.map((part) => part.toLowerCase());
  return left.filter(
    (_, i) => lower.findIndex((name, j) => j % 2 === 0 && name === lower[i - (i % 2)]) === i - (i % 2),
  );
};
const underscored = (name: string) => name.includes('_');
const utf8 = values((_, value) => Buffer.from(value, 'latin1').toString('utf8'));
const lowered = (rule: Rules['up']) => (raw: RawFields) =>
  rule(raw).map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part));

export const mutants: readonly RuleMutant[] = [
  ...each('up', ['connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'trailer']),
  ...each('up', ['transfer-encoding', 'upgrade', 'http2-settings', 'forwarded', 'x-real-ip', 'x-request-id']),
  ...each('up', ['host', 'expect', 'proxy', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']),
  ...each('up', ['x-session-id', 'x-session-user', 'x-session-data', 'x-session-signature', 'cookie']),
  leak('up', 'X-Session-* that it does not know', (name) => name === 'x-session-anything'),
  leak('up', 'X_Session_User', (name) => underscored(name) && name.startsWith('x_session')),
  leak('up', 'x-session_user', (name) => underscored(name) && name.startsWith('x-session')),
  leak('up', 'X.Session.User', (name) => name === 'x.session.user'),
  leak('up', 'X~Forwarded-For', (name) => name === 'x~forwarded-for'),
  leak('up', 'X_Forwarded_For', (name) => name === 'x_forwarded_for'),
  leak('up', 'X-Forwarded-* that it does not know', (name) => name === 'x-forwarded-prefix'),
  leak('up', 'what is nominated', (name) => name === 'x-b' || name === 'x-c'),
  leak('up', 'bearer tokens', (_, value) => value === `Bearer ${TOKEN}`),
  leak('up', 'a bearer token in another case', (_, value) => value.startsWith('bEARER')),
  leak('up', 'a bearer token in a list', (_, value) => value.includes(`, Bearer ${TOKEN}`)),
  leak('up', 'the admin password', (name, value) => name === 'authorization' && /^Basic YWRt/.test(value)),
  leak('up', 'tokens in the Referer', (name) => name === 'referer'),
  on(
    'up',
    'reads only the first Connection',
    blind((value) => value.includes('X-C')),
  ),
  on(
    'up',
    'lets Content-Length be nominated',
    without((name, value) => name === 'content-length' && value === '3'),
  ),
  on(
    'up',
    'drops every Authorization',
    without((name) => name === 'authorization'),
  ),
  on(
    'up',
    'drops what only looks like X-Session',
    without((name) => name.includes('x-session')),
  ),
  on(
    'up',
    'drops every Cookie',
    without((name) => name === 'cookie'),
  ),
  on(
    'up',
    'rebuilds cookies',
    values((name, value) => (name === 'cookie' ? value.split(/ *; */).join('; ') : value)),
  ),
  on('up', 'lowers names', lowered),
  on('up', 'sorts fields', sorted),
  on('up', 'drops duplicates', unique),
  on('up', 'decodes values as UTF-8', utf8),
  leak(
    'up',
    'a cookie that is not the only one',
    (name, value) => name === 'cookie' && value.includes('b=2'),
  ),
  leak(
    'up',
    'cookies with spaces around the name',
    (name, value) => name === 'cookie' && value.includes('sid = y'),
  ),
  ...each('down', ['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'trailer']),
  ...each('down', ['transfer-encoding', 'upgrade', 'session-token', 'authorization', 'x-session-user']),
  ...each('down', ['x-session-data', 'x-session-destroy', 'x-session-id', 'x-session-new', 'x_session_user']),
  leak('down', 'X.Session.User', (name) => name === 'x.session.user'),
  leak('down', 'what is nominated', (name) => name === 'x-b'),
  leak('down', 'cookies of our names', (_, value) => value.startsWith('sid=x; Path')),
  leak('down', 'cookies of the second service', (_, value) => value.includes('other-sid')),
  leak('down', 'cookies without a name', (_, value) => value.startsWith('=')),
  on(
    'down',
    'drops every Set-Cookie',
    without((name) => name === 'set-cookie'),
  ),
  on(
    'down',
    'takes names of cookies without their case',
    without((_, value) => value.startsWith('SID')),
  ),
  on(
    'down',
    'drops Server',
    without((name) => name === 'server'),
  ),
  on(
    'down',
    'lets Content-Length be nominated',
    without((name, value) => name === 'content-length' && value === '3'),
  ),
  on('down', 'joins duplicates', unique),
  on('down', 'lowers names', lowered),
  on('down', 'decodes values as UTF-8', utf8),
  edit('keeps the parameters', (url) => url),
  edit('knows a name only as it is written', (url, real) => (url.includes('%5ftoken') ? url : real)),
  edit('drops the whole query', (_, real) => real.split('?')[0] ?? ''),
  edit('re-encodes the query', (_, real) => real.replace('%41', 'A')),
  edit('keeps an empty query', (url, real) => (url === '/a?_token=s' ? '/a?' : real)),
  edit('removes by substring', (_, real) => real.replace(/x_token=1&/, '')),
  edit('passes absolute form', (url, real) => (/^http:/.test(url) ? url : real)),
  edit('forgets the slash', (url, real) => (/^HTTPS/.test(url) ? '?b' : real)),
  edit('keeps the fragment', (url, real) => (url.includes('#') ? url : real)),
  edit('takes any scheme', (url, real) => (url.startsWith('ftp') ? '/a' : real)),
  edit('takes an authority', (url, real) => (url === 'other.example:80' ? '/' : real)),
  edit('takes an asterisk for a path', (url, real) => (url === '*' ? '/*' : real)),
  edit('decodes the path', (_, real) => decodeURIComponent(real.replace('%', '%'))),
];
