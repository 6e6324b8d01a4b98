import { SessionError, type Transport } from '@sessionkit/session-core';
import { DEFAULT_PARAM, paramProblem } from './rules.js';

export interface TokenTransportOptions {
  /** Name of the query parameter: letters, digits and `. _ ~ -`. Default `_token`. */
  readonly param?: string | undefined;
}

function toWrite(verb: string): never {
  throw new SessionError('UNSUPPORTED', `write me: ${verb}`);
}

/**
 * What each member promises stands above it in `transport.ts` of session-core.
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
    read: () => toWrite('read'),
    issue: () => toWrite('issue'),
    clear: () => toWrite('clear'),
    challenge: () => toWrite('challenge'),
  };
}
