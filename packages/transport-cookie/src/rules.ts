import { TOKEN_LENGTH } from '@sessionkit/session-core';
import { type SetCookie, stringifySetCookie } from 'cookie';
import { type CookieAttributes, type CookieTransportOptions, PREFIXES } from './options.js';

export const DEFAULT_NAME = 'sxapi-sess';

/** Something a browser would refuse, or that says nothing to it. */
export interface CookieProblem {
  /** `name`, or `options` and the name of one. */
  readonly path: readonly ['name'] | readonly ['options', string];
  /** What is wrong and what to do about it. */
  readonly message: string;
}

/** RFC 6265bis section 5.7: a browser ignores a cookie whose name and value are longer. */
const MAX_PAIR = 4_096;
/** RFC 6265bis section 5.6: a browser ignores an attribute whose value is longer. */
const MAX_ATTRIBUTE = 1_024;
/** RFC 6265 section 4.1.1: a name is a token of RFC 9110. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

interface AttributeRule {
  readonly fine: (value: unknown) => boolean;
  /** What it has to be: the fix. */
  readonly says: string;
}

const isBoolean = (value: unknown) => typeof value === 'boolean';
const oneOf = (list: readonly string[]) => (value: unknown) => list.some((each) => each === value);
const isSameSite = oneOf(['strict', 'lax', 'none']);

/** Each attribute by itself. The cookie library knows which values can be written. */
const ATTRIBUTES: Readonly<Record<keyof CookieAttributes, AttributeRule>> = {
  maxAge: {
    fine: (value) => Number.isFinite(value) && Number(value) >= 1_000,
    says: 'is a number and at least one second: with less a browser drops the cookie at once',
  },
  expires: {
    fine: (value) => value instanceof Date && writable({ expires: value }),
    says: 'is a valid date',
  },
  path: {
    fine: (value) =>
      typeof value === 'string' &&
      value.startsWith('/') &&
      value.length <= MAX_ATTRIBUTE &&
      writable({ path: value }),
    says: `begins with / and is at most ${MAX_ATTRIBUTE} characters of US-ASCII without ; or control characters`,
  },
  domain: {
    fine: (value) =>
      typeof value === 'string' &&
      value !== '' &&
      value.length <= MAX_ATTRIBUTE &&
      writable({ domain: value }),
    says: 'is a host name such as example.org; leave it out for a cookie of this host only',
  },
  secure: { fine: (value) => isBoolean(value) || value === 'auto', says: 'is true, false or auto' },
  httpOnly: { fine: isBoolean, says: 'is true or false' },
  sameSite: {
    fine: (value) => isBoolean(value) || isSameSite(value),
    says: 'is strict, lax, none, true (strict) or false (not sent)',
  },
  partitioned: { fine: isBoolean, says: 'is true or false' },
  priority: { fine: oneOf(['low', 'medium', 'high']), says: 'is low, medium or high' },
  prefix: { fine: oneOf(['none', ...PREFIXES]), says: `is none, ${PREFIXES.join(', ')}` },
};

/** The name as browsers see it. */
export function fullName(name: string, options: CookieAttributes): string {
  const { prefix = 'none' } = options;
  return prefix === 'none' ? name : prefix + name;
}

/** Whether the cookie works on encrypted connections only: browsers refuse it without `Secure`. */
export function needsSecure(name: string, options: CookieAttributes): boolean {
  return (
    prefixOf(fullName(name, options)) !== undefined ||
    options.sameSite === 'none' ||
    options.partitioned === true
  );
}

/** All that is wrong with these options; empty when a browser takes the cookie. */
export function cookieProblems(given: CookieTransportOptions): CookieProblem[] {
  const { options = {} } = given;
  const name = String(given.name ?? DEFAULT_NAME);
  return [
    ...nameProblems(name, options),
    ...attributeProblems(options),
    ...combinationProblems(name, options),
  ];
}

function nameProblems(name: string, options: CookieAttributes): CookieProblem[] {
  const problems: CookieProblem[] = [];
  const add = (message: string) => problems.push({ path: ['name'], message });
  if (!NAME.test(name))
    add("may consist of letters, digits and !#$%&'*+-.^_`|~ only, and is at least one of them");
  const doubled = options.prefix === undefined || options.prefix === 'none' ? undefined : prefixOf(name);
  if (doubled !== undefined)
    add(`begins with ${doubled} and the option prefix adds a prefix too: say it once`);
  const room = MAX_PAIR - TOKEN_LENGTH;
  if (fullName(name, options).length > room)
    add(
      `is too long: with its prefix at most ${room} characters, because browsers drop a cookie above ${MAX_PAIR} bytes`,
    );
  return problems;
}

function attributeProblems(options: CookieAttributes): CookieProblem[] {
  const rules: Readonly<Record<string, AttributeRule>> = ATTRIBUTES;
  const problems: CookieProblem[] = [];
  for (const [option, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined;
    const known = Object.keys(rules).join(', ');
    const message = rule === undefined ? `is no cookie option: there are ${known}` : rule.says;
    if (rule === undefined || (value !== undefined && !rule.fine(value)))
      problems.push({ path: ['options', option], message });
  }
  return problems;
}

/** What browsers refuse although each value by itself is fine. */
function combinationProblems(name: string, options: CookieAttributes): CookieProblem[] {
  const problems: CookieProblem[] = [];
  const add = (option: keyof CookieAttributes, message: string) =>
    problems.push({ path: ['options', option], message });
  const {
    maxAge,
    expires,
    domain,
    path = '/',
    secure = 'auto',
    httpOnly = true,
    sameSite = 'lax',
    partitioned = false,
  } = options;

  const prefix = prefixOf(fullName(name, options));
  if (prefix !== undefined && secure === false)
    add(
      'secure',
      `is false, but a browser refuses a ${prefix} cookie without Secure: leave secure out, or the prefix`,
    );
  if (prefix?.startsWith('__Host-')) {
    if (domain !== undefined)
      add(
        'domain',
        `is set, but a browser refuses a ${prefix} cookie with a domain: leave domain out, or use __Secure-`,
      );
    if (path !== '/')
      add(
        'path',
        `is not /, but a browser refuses a ${prefix} cookie with another path: leave path out, or use __Secure-`,
      );
  }
  if (prefix?.endsWith('Http-') && httpOnly === false)
    add(
      'httpOnly',
      `is false, but a browser refuses a ${prefix} cookie without HttpOnly: leave httpOnly out`,
    );
  if (maxAge === undefined && expires instanceof Date && expires.getTime() <= Date.now())
    add(
      'expires',
      'is in the past, and a browser drops such a cookie at once: leave expires out, or write a time to come',
    );
  if (sameSite === 'none' && secure === false)
    add(
      'sameSite',
      'is none, but a browser refuses SameSite=None without Secure: leave secure out, or use lax',
    );
  if (partitioned && secure === false)
    add('partitioned', 'is true, but a browser refuses Partitioned without Secure: leave secure out');
  if (partitioned && sameSite !== 'none')
    add(
      'partitioned',
      'is true, but a partitioned cookie is for embedded pages and needs sameSite: none beside it',
    );
  return problems;
}

/** Longest first: `__Host-Http-` also begins with `__Host-`. Browsers compare without regard to case. */
function prefixOf(name: string): (typeof PREFIXES)[number] | undefined {
  const lower = name.toLowerCase();
  return PREFIXES.find((prefix) => lower.startsWith(prefix.toLowerCase()));
}

function writable(attribute: Partial<SetCookie>): boolean {
  try {
    stringifySetCookie({ ...attribute, name: 'a', value: '' });
    return true;
  } catch {
    return false;
  }
}
