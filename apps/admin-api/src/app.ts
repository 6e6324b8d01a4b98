import { OpenAPIHono } from '@hono/zod-openapi';
import { type Environment, SessionError, type SessionManager } from '@sessionkit/session-core';
import { filledPath } from './access.js';
import type { Access, Authenticator, Login, Operator } from './auth.js';
import { linkBase, pathBelow, withoutVersion } from './base-path.js';
import { Links } from './documents.js';
import { AdminError, toAdminError } from './errors.js';
import type { Feed } from './feed.js';
import { checkHost, checkSite, hostName, hostOf, isLoopback } from './guard.js';
import { URL_MAX, uriTooLong } from './malformed.js';
import { Methods } from './methods.js';
import { createDescriber, type Described, openApiRoute } from './openapi.js';
import type { Peer } from './peer.js';
import { preconditionsOf } from './preconditions.js';
import type { ReverseDns } from './rdns.js';
import { isPretty, queryOf, readJson } from './request.js';
import { answerResponse, errorResponse } from './respond.js';
import type { CheckedInput, MetricsText, Route } from './route.js';
import { statusDocument } from './schemas.js';
import type { System } from './system.js';

/** What a request gathers on its way through the app. */
export interface Exchange {
  readonly peer: Peer;
  user: Operator | undefined;
  login: Login | undefined;
  action: string;
  target: string;
  input: CheckedInput | undefined;
}

interface AppOptions {
  readonly routes: readonly Route[];
  readonly manager: SessionManager;
  readonly system: System;
  readonly rdns: ReverseDns;
  readonly environment: Environment;
  readonly authenticator: Authenticator;
  readonly access: Access | undefined;
  readonly readiness: () => Promise<readonly string[]>;
  readonly hosts: readonly string[];
  /** As `checkBasePath` answers it. */
  readonly basePath: string;
  readonly basicSeesActivity: boolean;
  readonly showData: boolean;
  readonly feed: Feed;
  readonly metrics: MetricsText | undefined;
}

type App = OpenAPIHono<{ Bindings: Exchange }>;

/** The routes behind their guards. It is what an OpenAPI document is generated from, too. */
export function createApp(options: AppOptions): App {
  const { environment, authenticator } = options;
  const app: App = new OpenAPIHono<{ Bindings: Exchange }>({
    getPath: (request) => pathBelow(request, options.basePath),
  });

  app.onError((error, c) => {
    const known = toAdminError(error);
    if (known === undefined || (error instanceof SessionError && known.status >= 500)) {
      environment.log({ level: 'error', message: `admin API: ${c.env.action} failed`, error });
    }
    const shown = known ?? new AdminError(500, 'Internal error. The log of the process says more.');
    return errorResponse(shown, isPretty(queryOf(c.req.url)));
  });
  app.use(async (c, next) => {
    const { pathname, search } = new URL(c.req.url);
    if (pathname.length + search.length > URL_MAX) throw uriTooLong();
    await next();
  });

  const describe = createDescriber(app.openAPIRegistry);
  addHealth(app, options, describe);

  // Hono runs handlers in the order in which they are added: what stands above needs no credentials, what stands below has passed this.
  const hosts = new Set(options.hosts.map(hostName));
  app.use(async (c, next) => {
    const host = hostOf(c.req.raw);
    checkHost(host, hosts, c.env.peer.hosts ?? []);
    checkSite(c.req.raw, host);
    Object.assign(c.env, await authenticator.check(c.req.raw, c.env.peer));
    await next();
  });

  const methods = new Methods();
  for (const route of [
    ...options.routes,
    openApiRoute((config) => app.getOpenAPI31Document(config), options.basePath),
  ]) {
    describe(route);
    // The version may be left out, where the draft form has no route of its own.
    const bare = withoutVersion(route.path);
    const own = options.routes.some(({ method, path }) => method === route.method && path === bare);
    for (const path of own || bare === route.path ? [route.path] : [route.path, bare]) {
      addRoute(app, route, path, options);
      methods.add(route.method, path);
    }
  }
  app.notFound((c) => {
    const answer = methods.answer(c.req.method, c.req.path);
    c.env.action = 'options';
    return answer;
  });
  return app;
}

/** @param path of the route, or the same without a version */
function addRoute(app: App, route: Route, path: string, options: AppOptions): void {
  app.on(route.method.toUpperCase(), path.replace(/\{(\w+)\}/g, ':$1'), async (c) => {
    const exchange = c.env;
    exchange.action = route.action;
    exchange.target = path;
    const { user, login } = exchange;
    if (user === undefined || login === undefined || (route.role === 'admin' && user.account !== 'admin'))
      throw options.authenticator.denied(c.req.raw);

    const query = queryOf(c.req.url);
    const body = route.body === undefined ? undefined : await readJson(c.req.raw);
    const call = {
      manager: options.manager,
      environment: options.environment,
      system: options.system,
      rdns: options.rdns,
      user,
      query,
      conditions: preconditionsOf(c.req.raw),
      links: new Links(
        `${new URL(c.req.url).protocol}//${hostOf(c.req.raw)}${linkBase(options.basePath, path)}`,
      ),
      activity: user.account === 'admin' || options.basicSeesActivity,
      showData: options.showData,
      login,
      mayStay: () => mayStay(c.req.raw, exchange.peer, user, options.authenticator),
      feed: options.feed,
      metrics: options.metrics,
      secure: isSecure(c.req.url, exchange.peer),
      access: options.access,
    };
    const answer = await route.run({ params: c.req.param(), query, body }, call, (input) => {
      exchange.input = input;
      exchange.target = filledPath(path, input.params);
    });
    return answerResponse(answer, isPretty(query), (error) => {
      options.environment.log({ level: 'error', message: `admin API: ${route.action} was cut`, error });
      exchange.peer.cut?.();
      return exchange.peer.cut !== undefined;
    });
  });
}

/** Unknown is no reason to send somebody away. */
async function mayStay(
  request: Request,
  peer: Peer,
  user: Operator,
  { check }: Authenticator,
): Promise<boolean> {
  try {
    const now = (await check(request, peer)).user;
    return now.name === user.name && now.account === user.account;
  } catch (error) {
    return !(error instanceof AdminError) || error.status !== 401;
  }
}

function isSecure(url: string, { encrypted, remoteAddress }: Peer): boolean {
  if (encrypted ?? new URL(url).protocol === 'https:') return true;
  return remoteAddress !== undefined && isLoopback(remoteAddress);
}

function addHealth(app: App, options: AppOptions, describe: (route: Described) => void): void {
  const ok = () => answerResponse({ status: 200, document: { status: 'ok' } }, false, () => false);
  const health = {
    method: 'get',
    role: 'none',
    params: undefined,
    query: undefined,
    body: undefined,
    answers: { 200: statusDocument },
  } as const;

  describe({ ...health, path: '/healthz', action: 'healthz', summary: 'The process lives' });
  app.get('/healthz', ok);

  describe({ ...health, path: '/readyz', action: 'readyz', summary: 'It can serve sessions' });
  app.get('/readyz', async () => {
    const reasons = await options.readiness();
    return reasons.length === 0 ? ok() : errorResponse(new AdminError(503, reasons), false);
  });
}
