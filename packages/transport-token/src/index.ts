import { type HeaderField, parseToken, SessionError, type Transport } from '@sessionkit/session-core';
import { DEFAULT_PARAM, paramProblem } from './rules.js';

export interface TokenTransportOptions {
  /** Name of the query parameter: letters, digits and `. _ ~ -`. Default `_token`. */
  readonly param?: string | undefined;
}

const AT_MOST = 3;
const NO_FIELDS: readonly HeaderField[] = [];

/**
 * Carries the token in the query string; new and rotated ones go out in the `Session-Token` header. A URL is seen by more eyes
 * than a header (RFC 9700 section 4.3.2), so that this is for clients that have no other way.
 *
 * @throws SessionError `CONFIG_INVALID`: the name of the parameter can't be used.
 */
export function token(options: TokenTransportOptions = {}): Transport {
  const { param = DEFAULT_PARAM } = options;
  const problem = paramProblem(param);
  if (problem !== undefined) throw new SessionError('CONFIG_INVALID', `token transport: param ${problem}`);

  return {
    type: 'token',
    ambient: false,
    lenient: false,
    carrier: { query: param, responseHeader: 'session-token' },
    vary: undefined,
    read(request) {
      const values = request.query(param);
      return values.length > AT_MOST ? values.slice(0, AT_MOST) : values;
    },
    issue(value) {
      if (parseToken(value) === undefined)
        throw new SessionError('INVALID_VALUE', 'what is to be issued is not a token');
      return [
        ['session-token', value],
        ['access-control-expose-headers', 'Session-Token'],
        ['referrer-policy', 'no-referrer'],
      ];
    },
    clear: () => NO_FIELDS,
    challenge: () => NO_FIELDS,
  };
}
