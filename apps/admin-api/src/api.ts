import { type Environment, processEnvironment, type SessionManager } from '@sessionkit/session-core';
import { type AccessEntry, maskedPath, outcomeOf } from './access.js';
import { createApp, type Exchange } from './app.js';
import { createAuthenticator } from './auth.js';
import { createReadiness } from './health.js';
import { routingPath } from './request.js';
import { withCommonHeaders } from './respond.js';
import type { Users } from './users.js';

export interface AdminApiOptions {
  /** What is operated. */
  readonly manager: SessionManager;
  /** Who may. */
  readonly users: Users;
  /** Names, without a port, that may stand in `Host` besides those of loopback and of the listener. */
  readonly hosts?: readonly string[] | undefined;
  /** Told of each request but those for `/healthz` and `/readyz`. */
  readonly access?: ((entry: AccessEntry) => void) | undefined;
  /** Further reasons why the process is not ready, in words fit for anybody. */
  readonly health?: (() => Promise<readonly string[]>) | undefined;
  /** Whether users with the account `basic` see what clients told of themselves and did. Default false. */
  readonly basicSeesActivity?: boolean | undefined;
  /** Clock, randomness and process log. */
  readonly environment?: Environment | undefined;
}

/** Where a request comes from, as its server knows. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  /** Names and addresses of the listener that it came to. */
  readonly hosts?: readonly string[] | undefined;
  /** Cuts the connection; called when an answer under way cannot be finished. Without it the body of the answer is errored. */
  readonly cut?: (() => void) | undefined;
}

export interface AdminApi {
  /** Answers a request. Never rejects. */
  fetch(request: Request, peer?: Peer): Promise<Response>;
}

const UNLOGGED = new Set(['/healthz', '/readyz']);
/** With another one these paths ask for credentials like any other. */
const UNLOGGED_METHODS = new Set(['GET', 'HEAD']);

/** The admin API as a function from request to answer: for {@link serveAdmin}, or for any server that speaks `fetch`. */
export function createAdminApi(options: AdminApiOptions): AdminApi {
  const { manager, users, environment = processEnvironment } = options;
  const authenticator = createAuthenticator(users, environment);
  const app = createApp({
    manager,
    environment,
    authenticator,
    readiness: createReadiness(manager, options.health, environment),
    hosts: options.hosts ?? [],
    basicSeesActivity: options.basicSeesActivity ?? false,
  });

  return {
    async fetch(request, peer = {}) {
      const at = environment.now();
      const exchange: Exchange = {
        address: peer.remoteAddress,
        ownHosts: peer.hosts ?? [],
        cut: peer.cut,
        user: undefined,
        action: 'unknown',
        target: maskedPath(routingPath(request)),
        input: undefined,
      };
      const response = await app.fetch(request, exchange);
      const now = environment.now();
      const unlogged = UNLOGGED_METHODS.has(request.method) && UNLOGGED.has(exchange.target);
      if (options.access !== undefined && !unlogged) {
        const { status } = response;
        const known = exchange.user !== undefined || (status !== 401 && status !== 429);
        options.access({
          at,
          actor: exchange.user?.name,
          claimed: known ? undefined : await authenticator.claimed(request),
          action: exchange.action,
          method: request.method,
          target: exchange.target,
          query: exchange.input?.query,
          body: exchange.input?.body,
          status,
          outcome: outcomeOf(status),
          duration: now - at,
          address: peer.remoteAddress,
        });
      }
      return withCommonHeaders(response, now);
    },
  };
}
