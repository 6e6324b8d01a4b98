import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as expressSession from '@sessionkit/express-session';
import {
  type HttpOptions,
  openUpgrade,
  requireSession,
  type SessionHandler,
  sessionHandler,
  sessionMiddleware,
  sessionOf,
} from '@sessionkit/http-node';
import type { Service, Session } from '@sessionkit/session-core';
import connect from 'connect';
import express4 from 'express4';
import express5 from 'express5';
import type { App, Body, Call, Integration, Log } from './integration.js';
import { serveSockets } from './sockets.js';

export function listening(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

const pathOf = (request: IncomingMessage) => (request.url ?? '').replace(/\?.*$/s, '');

function send(response: ServerResponse, body: Body | undefined): void {
  if (typeof body === 'string' || body === undefined) response.end(body);
  // A client that has gone is no error of the route.
  else pipeline(Readable.from(body), response).catch(() => undefined);
}

function callOf(request: IncomingMessage, response: ServerResponse, session: Session): Call {
  return {
    method: request.method ?? '',
    session,
    body: () => request,
    answer(status, fields = {}, body) {
      response.statusCode = status;
      for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
      send(response, body);
    },
    begin(status, fields = {}) {
      response.statusCode = status;
      for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
      response.flushHeaders();
      return (text) => void response.end(text);
    },
  };
}

function nothingThere(response: ServerResponse): void {
  response.writeHead(404).end();
}

const node: Integration = {
  name: 'node:http',
  errors: undefined,
  sockets: true,
  serve(service, app, environment) {
    const handle: SessionHandler = async (request, response, session) => {
      const route = app.routes[pathOf(request)];
      if (route === undefined) nothingThere(response);
      else await route(callOf(request, response, session));
    };
    const { trustProxy } = app;
    const open = sessionHandler(service, handle, { trustProxy, environment });
    const asking = Object.fromEntries(
      Object.entries(app.access ?? {}).map(([path, access]) => [
        path,
        sessionHandler(service, handle, { trustProxy, environment, access }),
      ]),
    );
    const server = createServer((request, response) => {
      for (const [name, value] of Object.entries(app.before ?? {})) response.setHeader(name, value);
      (asking[pathOf(request)] ?? open)(request, response);
    });
    serveSockets(server, service, app, openUpgrade);
    return listening(server);
  },
};

type Next = (error?: unknown) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => unknown;
type ErrorHandler = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: Next,
) => unknown;

/** As much of an application as Connect and both Express have. */
interface Stack {
  (request: IncomingMessage, response: ServerResponse): void;
  use(handler: Middleware | ErrorHandler): unknown;
  use(path: string, handler: Middleware): unknown;
  /** Express: for every method and exactly this path. */
  all?(path: string, handler: Middleware): unknown;
}

interface ExpressResponse extends ServerResponse {
  status(code: number): this;
  set(fields: Readonly<Record<string, string>>): this;
  send(body?: string): this;
  redirect(status: number, url: string): void;
}

/** The answer by what Express' own `res` offers. */
function answerOfExpress(response: ExpressResponse): Call['answer'] {
  return (status, { location, ...fields } = {}, body) => {
    if (location !== undefined) response.set(fields).redirect(status, location);
    else if (typeof body === 'string') response.status(status).set(fields).send(body);
    else send(response.status(status).set(fields), body);
  };
}

interface StackTraits {
  readonly name: string;
  create(app: App): Stack;
  /** A rejected promise of a handler goes to the error handlers by itself. */
  readonly awaits: boolean;
  readonly express: boolean;
  /** How the session comes in. */
  readonly entry?: Entry | undefined;
}

interface Entry {
  middleware(service: Service, options: HttpOptions): Middleware;
  sessionOf(request: IncomingMessage): Session;
}

const usual: Entry = { middleware: sessionMiddleware, sessionOf };

/** The API of express-session. Somebody looks at `req.session`, so that it is compared with what is stored; the suite itself uses the session below. */
const compatible: Entry = {
  middleware(service, options) {
    const middleware = expressSession.expressSession(service, options);
    return (request, response, next) =>
      middleware(request, response, (error) => {
        void (request as { session?: unknown }).session;
        next(error);
      });
  },
  sessionOf: expressSession.sessionOf,
};

function stacked({ name, create, awaits, express, entry = usual }: StackTraits): Integration {
  return {
    name,
    errors: { unhandled: 503 },
    sockets: true,
    serve(service: Service, app: App, environment: Log) {
      const stack = create(app);
      stack.use((_request, response, next) => {
        for (const [name, value] of Object.entries(app.before ?? {})) response.setHeader(name, value);
        next();
      });
      stack.use(entry.middleware(service, { trustProxy: app.trustProxy, environment }));
      for (const [path, access] of Object.entries(app.access ?? {})) stack.use(path, requireSession(access));
      for (const [path, route] of Object.entries(app.routes)) {
        const run = async (request: IncomingMessage, response: ServerResponse) => {
          const call = callOf(request, response, entry.sessionOf(request));
          await route(express ? { ...call, answer: answerOfExpress(response as ExpressResponse) } : call);
        };
        const handle: Middleware = awaits
          ? run
          : (request, response, next) => void run(request, response).catch(next);
        if (stack.all !== undefined) stack.all(path, handle);
        else stack.use(path, exactly(handle));
      }
      const { failed } = app;
      if (failed !== undefined) {
        stack.use((error: unknown, _request: IncomingMessage, response: ServerResponse, next: Next) => {
          if (response.headersSent) return next(error);
          const { status, body } = failed(error);
          response.statusCode = status;
          response.end(body);
        });
      }
      const server = createServer(stack);
      serveSockets(server, service, app, openUpgrade);
      return listening(server);
    },
  };
}

/** Connect takes a path for a prefix. */
function exactly(handle: Middleware): Middleware {
  return (request, response, next) =>
    (request.url ?? '/').split('?', 1)[0] === '/' ? handle(request, response, next) : next();
}

function expressApp(express: typeof express4, app: App): Stack {
  const created = express();
  // Its default error handler prints what it answers.
  created.set('env', 'test');
  if (app.gullible === true) created.set('trust proxy', true);
  return created as unknown as Stack;
}

export const NODE: readonly Integration[] = [
  node,
  stacked({ name: 'Connect', create: () => connect() as unknown as Stack, awaits: false, express: false }),
  stacked({ name: 'Express 4', create: (app) => expressApp(express4, app), awaits: false, express: true }),
  stacked({
    name: 'Express 5',
    create: (app) => expressApp(express5 as unknown as typeof express4, app),
    awaits: true,
    express: true,
  }),
  stacked({
    name: 'Express 5 with the API of express-session',
    create: (app) => expressApp(express5 as unknown as typeof express4, app),
    awaits: true,
    express: true,
    entry: compatible,
  }),
];
