import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { type Environment, SessionError, type SessionManager } from '@sessionkit/session-core';
import { filledPath } from './access.js';
import type { Access, Authenticator, Login, Operator } from './auth.js';
import { linkBase, pathBelow, withoutVersion } from './base-path.js';
import { Links } from './documents.js';
import { AdminError, notFound, toAdminError } from './errors.js';
import { checkHost, checkSite, hostName, hostOf, isLoopback } from './guard.js';
import type { Peer } from './peer.js';
import { preconditionsOf } from './preconditions.js';
import type { ReverseDns } from './rdns.js';
import { isPretty, queryOf, readJson } from './request.js';
import { answerResponse, errorResponse } from './respond.js';
import type { CheckedInput, Route } from './route.js';
import { errorsDocument, statusDocument } from './schemas.js';
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
  app.notFound(() => {
    throw notFound();
  });

  addHealth(app, options);

  // Hono runs handlers in the order in which they are added: what stands above needs no credentials, what stands below has passed this.
  const hosts = new Set(options.hosts.map(hostName));
  app.use(async (c, next) => {
    const host = hostOf(c.req.raw);
    checkHost(host, hosts, c.env.peer.hosts ?? []);
    checkSite(c.req.raw, host);
    Object.assign(c.env, await authenticator.check(c.req.raw, c.env.peer));
    await next();
  });

  for (const route of options.routes) {
    app.openAPIRegistry.registerPath(describe(route));
    addRoute(app, route, route.path, options);
    // The version may be left out, where the draft form has no route of its own.
    const bare = withoutVersion(route.path);
    const own = options.routes.some(({ method, path }) => method === route.method && path === bare);
    if (!own) addRoute(app, route, bare, options);
  }
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

function isSecure(url: string, { encrypted, remoteAddress }: Peer): boolean {
  if (encrypted ?? new URL(url).protocol === 'https:') return true;
  return remoteAddress !== undefined && isLoopback(remoteAddress);
}

function addHealth(app: App, options: AppOptions): void {
  const ok = () => answerResponse({ status: 200, document: { status: 'ok' } }, false, () => false);
  const health = { role: 'none', params: undefined, query: undefined, body: undefined } as const;
  const answers = { 200: statusDocument };

  app.openAPIRegistry.registerPath(
    describe({
      ...health,
      method: 'get',
      path: '/healthz',
      action: 'healthz',
      summary: 'The process lives',
      answers,
    }),
  );
  app.get('/healthz', ok);

  app.openAPIRegistry.registerPath(
    describe({
      ...health,
      method: 'get',
      path: '/readyz',
      action: 'readyz',
      summary: 'It can serve sessions',
      answers,
    }),
  );
  app.get('/readyz', async () => {
    const reasons = await options.readiness();
    return reasons.length === 0 ? ok() : errorResponse(new AdminError(503, reasons), false);
  });
}

type Described = Omit<Route, 'run' | 'role' | 'params' | 'query' | 'body'> & {
  readonly role: Route['role'] | 'none';
  readonly params: Route['params'] | undefined;
  readonly query: Route['query'] | undefined;
  readonly body: Route['body'];
};

/** A route as OpenAPI sees it. */
function describe(route: Described) {
  const json = (schema: NonNullable<Route['body']>) => ({ 'application/json': { schema } });
  const answers = Object.entries(route.answers).map(([status, schema]) => [
    status,
    { description: schema === undefined ? 'Done' : 'The document', ...(schema && { content: json(schema) }) },
  ]);
  return createRoute({
    method: route.method,
    path: route.path,
    operationId: route.action,
    summary: route.summary,
    ...(route.role === 'none' ? {} : { security: [{ basic: [] }, { bearer: [] }] }),
    request: {
      ...(route.params && { params: route.params }),
      ...(route.query && { query: route.query }),
      ...(route.body && { body: { required: true, content: json(route.body) } }),
    },
    responses: {
      ...Object.fromEntries(answers),
      default: { description: 'Refused or failed', content: json(errorsDocument) },
    },
  });
}
