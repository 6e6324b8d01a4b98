import {
  type AnswerContext,
  type HeaderField,
  parseToken,
  SessionError,
  type Transport,
} from '@sessionkit/session-core';
import { type SetCookie, stringifySetCookie } from 'cookie';
import type { CookieTransportOptions } from './options.js';
import { readCookies } from './read.js';
import { cookieProblems, DEFAULT_NAME, fullName, needsSecure } from './rules.js';

export type { CookieAttributes, CookieTransportOptions } from './options.js';

/** RFC 6265bis section 5.5: no browser keeps a cookie for longer. In seconds, as `Max-Age` is. */
const LONGEST = 400 * 24 * 60 * 60;
const NO_FIELDS: readonly HeaderField[] = [];

/**
 * Carries the token in a cookie (RFC 6265bis).
 *
 * @throws SessionError `CONFIG_INVALID`: a browser would refuse the cookie. The message names every problem and its fix.
 */
export function cookie(given: CookieTransportOptions = {}): Transport {
  const problems = cookieProblems(given);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new SessionError('CONFIG_INVALID', `cookie transport: ${lines.join('; ')}`);
  }
  const { name: bare = DEFAULT_NAME, options = {} } = given;
  const name = fullName(bare, options);
  const always = options.secure === true || needsSecure(bare, options);
  const auto = options.secure === undefined || options.secure === 'auto';

  const common: Omit<SetCookie, 'value'> = {
    name,
    path: options.path ?? '/',
    httpOnly: options.httpOnly ?? true,
    sameSite: options.sameSite ?? 'lax',
    ...(options.domain !== undefined && { domain: options.domain }),
    ...(options.partitioned !== undefined && { partitioned: options.partitioned }),
    ...(options.priority !== undefined && { priority: options.priority }),
  };
  const field = (
    value: string,
    end: Pick<SetCookie, 'maxAge' | 'expires'>,
    context: AnswerContext,
  ): HeaderField => [
    'set-cookie',
    stringifySetCookie({ ...common, value, ...end, secure: always || (auto && context.secure) }),
  ];

  function end(left: number): Pick<SetCookie, 'maxAge' | 'expires'> {
    const { maxAge, expires } = options;
    if (maxAge === undefined && expires !== undefined) return { expires };
    const seconds = Math.floor(maxAge === undefined ? left : maxAge / 1_000);
    return { maxAge: Math.min(Math.max(seconds, 0), LONGEST), ...(expires !== undefined && { expires }) };
  }

  return {
    type: 'cookie',
    ambient: true,
    lenient: false,
    carrier: { cookie: name, responseHeader: 'set-cookie' },
    vary: 'Cookie',
    read: (request) => readCookies(request.header('cookie'), name),
    issue(token, maxAge, context) {
      if (parseToken(token) === undefined)
        throw new SessionError('INVALID_VALUE', 'what is to be issued is not a token');
      return [field(token, end(maxAge), context)];
    },
    clear: (context) => [field('', { maxAge: 0, expires: new Date(0) }, context)],
    challenge: () => NO_FIELDS,
  };
}
