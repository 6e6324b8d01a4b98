import {
  type Environment,
  processEnvironment,
  SessionError,
  type SessionManager,
} from '@sessionkit/session-core';
import { type AccessEntry, masked, maskedMembers, maskedPath, outcomeOf } from './access.js';
import { createApp, type Exchange } from './app.js';
import { type Access, type Authenticator, createAccess, createAuthenticator } from './auth.js';
import { checkBasePath, pathBelow } from './base-path.js';
import { Feed } from './feed.js';
import { createReadiness } from './health.js';
import { type Authenticate, createOwnAuthenticator } from './own-auth.js';
import type { Peer } from './peer.js';
import { createReverseDns, type DnsResolver } from './rdns.js';
import { withCommonHeaders } from './respond.js';
import type { MetricsText, Route } from './route.js';
import { ROUTES } from './routes.js';
import { completeSystem, type System } from './system.js';
import type { Users } from './users.js';

export interface AdminApiOptions {
  /** What is operated. */
  readonly manager: SessionManager;
  /** What the process knows besides its sessions. What is left out is told from the manager and node, or is empty. */
  readonly system?: Partial<System> | undefined;
  /** Who may: the users of a file, by HTTP Basic. */
  readonly users?: Users | undefined;
  /** In place of `users`: the embedding application says who it is. */
  readonly authenticate?: Authenticate | undefined;
  /** Path under which the application has mounted the API, such as `/ops/sessions`. Default: the root. */
  readonly basePath?: string | undefined;
  /** Names, without a port, that may stand in `Host` besides those of loopback and of the listener. */
  readonly hosts?: readonly string[] | undefined;
  /** Told of each request but those for `/healthz` and `/readyz`. What it throws is logged. */
  readonly access?: ((entry: AccessEntry) => void) | undefined;
  /** Further reasons why the process is not ready, in words fit for anybody. */
  readonly health?: (() => Promise<readonly string[]>) | undefined;
  /** Whether users with the account `basic` see what clients told of themselves and did. Default false. */
  readonly basicSeesActivity?: boolean | undefined;
  /** Whether documents show the data of sessions, and not only the names of its keys. Default false. */
  readonly showData?: boolean | undefined;
  /** Answers `GET /metrics`, such as `createMetrics({ manager })` of `@sessionkit/metrics`. Default: there are none. */
  readonly metrics?: MetricsText | undefined;
  /** Looks up the names of clients for `rdns=true`. Default: the name servers of the system. */
  readonly resolver?: DnsResolver | undefined;
  /** Clock, randomness and process log. */
  readonly environment?: Environment | undefined;
}

export interface AdminApi {
  /** Answers a request. Never rejects. */
  fetch(request: Request, peer?: Peer): Promise<Response>;
  /** Told by a server of a request that was so malformed that it could not be handed to {@link fetch}, for the access log. */
  refused?(status: number, peer: Peer): void;
  /** Ends the streams of events that are open. {@link serveAdmin} calls it when it is closed. */
  endStreams?(): void;
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
  return assembleAdminApi(options, ROUTES);
}

/** The same with a table of routes of its own. */
export function assembleAdminApi(options: AdminApiOptions, routes: readonly Route[]): AdminApi {
  const { manager, environment = processEnvironment } = options;
  const access = options.users && createAccess(options.users, environment);
  const authenticator = authenticatorOf(options, access, environment);
  const basePath = checkBasePath(
    options.basePath ?? '',
    routes.map(({ path }) => path),
  );
  const feed = new Feed(manager, environment);
  const app = createApp({
    routes,
    feed,
    metrics: options.metrics,
    manager,
    system: completeSystem(manager, () => environment.now(), options.system),
    rdns: createReverseDns({ environment, resolver: options.resolver }),
    environment,
    authenticator,
    access,
    readiness: createReadiness(manager, options.health, environment),
    hosts: options.hosts ?? [],
    basePath,
    basicSeesActivity: options.basicSeesActivity ?? false,
    showData: options.showData ?? false,
  });

  /** What was asked for is done by then: a callback that fails changes nothing of the answer. */
  const note = (entry: AccessEntry) => {
    try {
      options.access?.(entry);
    } catch (error) {
      environment.log({
        level: 'error',
        message: 'admin API: a request could not be noted by `access`',
        error,
      });
    }
  };

  return {
    async fetch(request, peer = {}) {
      const at = environment.now();
      const exchange: Exchange = {
        peer,
        user: undefined,
        login: undefined,
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
        note({
          at,
          actor: exchange.user?.name,
          claimed: known ? undefined : await authenticator.claimed(request),
          action: exchange.action,
          method: request.method,
          target: exchange.target,
          query: exchange.input && maskedMembers(exchange.input.query),
          body: masked(exchange.input?.body),
          status,
          outcome: outcomeOf(status),
          duration: now - at,
          address: peer.remoteAddress,
        });
      }
      return withCommonHeaders(response, now);
    },

    endStreams: () => feed.end(),

    refused(status, { remoteAddress }) {
      note({
        at: environment.now(),
        actor: undefined,
        claimed: undefined,
        action: 'malformed',
        method: '-',
        target: '-',
        query: undefined,
        body: undefined,
        status,
        outcome: outcomeOf(status),
        duration: 0,
        address: remoteAddress,
      });
    },
  };
}

function authenticatorOf(
  { authenticate }: AdminApiOptions,
  access: Access | undefined,
  environment: Environment,
): Authenticator {
  if (access !== undefined && authenticate === undefined) return createAuthenticator(access, environment);
  if (access === undefined && authenticate !== undefined) return createOwnAuthenticator(authenticate);
  throw new SessionError(
    'CONFIG_INVALID',
    'createAdminApi: say who may, by `users: createUsers({ file })` or by `authenticate`, and not by both',
  );
}
