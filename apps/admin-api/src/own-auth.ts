import type { Authenticator, Operator } from './auth.js';
import { AdminError } from './errors.js';
import type { Peer } from './peer.js';

/**
 * Who a request comes from, as the embedding application knows: undefined for nobody it knows (401).
 *
 * @param peer what was given to `fetch` beside the request
 */
export type Authenticate = (
  request: Request,
  peer: Peer,
) => Operator | undefined | Promise<Operator | undefined>;

/** Asks the application instead of the users file. What it throws is a fault of the application's (500). */
export function createOwnAuthenticator(authenticate: Authenticate): Authenticator {
  return {
    async check(request, peer) {
      const operator = await authenticate(request, peer);
      if (operator === undefined) throw denied();
      const { name, account } = operator;
      if (typeof name !== 'string' || name === '' || (account !== 'admin' && account !== 'basic'))
        throw new TypeError('authenticate: must answer { name, account: "admin" or "basic" }, or undefined');
      return { user: { name, account }, login: 'application' };
    },
    claimed: async () => undefined,
    denied,
  };
}

/** Without a challenge: which credentials are wanted, the application knows. */
const denied = () => new AdminError(401, 'Access denied');
