import {
  type Environment,
  processEnvironment,
  SessionError,
  type SessionManager,
} from '@sessionkit/session-core';
import { type AccessEntry, maskedPath, outcomeOf } from './access.js';
import { createApp, type Exchange } from './app.js';
import { type Authenticator, createAuthenticator } from './auth.js';
import { checkBasePath, pathBelow } from './base-path.js';
import { createReadiness } from './health.js';
import { type Authenticate, createOwnAuthenticator } from './own-auth.js';
import type { Peer } from './peer.js';
import { withCommonHeaders } from './respond.js';
import { ROUTES } from './routes.js';
import type { Users } from './users.js';

export interface AdminApiOptions {
  /** What is operated. */
  readonly manager: SessionManager;
  /** Who may: the users of a file, by HTTP Basic. */
  readonly users?: Users | undefined;
  /** In place of `users`: the embedding application says who it is. */
  readonly authenticate?: Authenticate | undefined;
  /** Path under which the application has mounted the API, such as `/ops/sessions`. Default: the root. */
  readonly basePath?: string | undefined;
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

export interface AdminApi {
  /** Answers a request. Never rejects. */
  fetch(request: Request, peer?: Peer): Promise<Response>;
}

const UNLOGGED = new Set(['/healthz', '/readyz']);
/** With another one these paths ask for credentials like any other. */
const UNLOGGED_METHODS = new Set(['GET', 'HEAD']);

/**
 * The admin API as a function from request to answer: for {@link serveAdmin}, or for any server that speaks `fetch`.
 *
 * @throws SessionError `CONFIG_INVALID`: not exactly one of `users` and `authenticate`, or a wrong `basePath`.
 */
export function createAdminApi(options: AdminApiOptions): AdminApi {
  const { manager, environment = processEnvironment } = options;
  const authenticator = authenticatorOf(options, environment);
  const basePath = checkBasePath(
    options.basePath ?? '',
    ROUTES.map(({ path }) => path),
  );
  const app = createApp({
    manager,
    environment,
    authenticator,
    readiness: createReadiness(manager, options.health, environment),
    hosts: options.hosts ?? [],
    basePath,
    basicSeesActivity: options.basicSeesActivity ?? false,
  });

  return {
    async fetch(request, peer = {}) {
      const at = environment.now();
      const exchange: Exchange = {
        peer,
        user: undefined,
        action: 'unknown',
        target: maskedPath(pathBelow(request, basePath)),
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

function authenticatorOf({ users, authenticate }: AdminApiOptions, environment: Environment): Authenticator {
  if (users !== undefined && authenticate === undefined) return createAuthenticator(users, environment);
  if (users === undefined && authenticate !== undefined) return createOwnAuthenticator(authenticate);
  throw new SessionError(
    'CONFIG_INVALID',
    'createAdminApi: say who may, by `users: createUsers({ file })` or by `authenticate`, and not by both',
  );
}
