import {
  CLIENT_CODES,
  type ClientCode,
  type HeaderField,
  parseToken,
  SessionError,
  type Transport,
} from '@sessionkit/session-core';
import { readBearer } from './read.js';
import { realmProblem } from './rules.js';

export interface BearerTransportOptions {
  /** `realm` of the challenges: printable US-ASCII. Default: none. */
  readonly realm?: string | undefined;
}

const NO_FIELDS: readonly HeaderField[] = [];

/**
 * Carries the token in `Authorization: Bearer …` (RFC 6750), both ways.
 *
 * @throws SessionError `CONFIG_INVALID`: the realm can't be written into a header.
 */
export function bearer(options: BearerTransportOptions = {}): Transport {
  const { realm } = options;
  const problem = realm === undefined ? undefined : realmProblem(realm);
  if (problem !== undefined) throw new SessionError('CONFIG_INVALID', `bearer transport: realm ${problem}`);

  const quoted = realm === undefined ? undefined : `realm="${realm.replace(/["\\]/g, '\\$&')}"`;
  const withError = (error: string | undefined): readonly HeaderField[] => {
    const parameters = [quoted, error && `error="${error}"`].filter((each) => each !== undefined);
    return [['www-authenticate', ['Bearer', parameters.join(', ')].join(' ').trimEnd()]];
  };
  const plain = withError(undefined);
  const invalidToken = withError('invalid_token');
  const invalidRequest = withError('invalid_request');

  return {
    type: 'bearer',
    ambient: false,
    lenient: true,
    carrier: { requestHeader: 'authorization', responseHeader: 'authorization' },
    vary: 'Authorization',
    read: (request) => readBearer(request.header('authorization')),
    issue(value) {
      if (parseToken(value) === undefined)
        throw new SessionError('INVALID_VALUE', 'what is to be issued is not a token');
      return [
        ['authorization', `Bearer ${value}`],
        ['access-control-expose-headers', 'Authorization'],
      ];
    },
    clear: () => NO_FIELDS,
    challenge(code: ClientCode, presented: boolean) {
      // RFC 6750 section 3.1: no error code when no credentials came this way. A bad request is one of contradicting or malformed
      // credentials, whichever of them core blames.
      if (CLIENT_CODES[code] === 401) return presented ? invalidToken : plain;
      return code === 'bad_request' ? invalidRequest : NO_FIELDS;
    },
  };
}
