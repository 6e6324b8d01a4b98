import type { Server } from 'node:http';
import { createAdaptorServer, type HttpBindings, upgradeWebSocket } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import {
  keepSession,
  requireSession,
  type SessionEnv,
  sessionFetch,
  sessionMiddleware,
} from '@sessionkit/http-fetch';
import type { Session } from '@sessionkit/session-core';
import { Hono } from 'hono';
import { WebSocketServer } from 'ws';
import type { App, Body, Call, Integration } from './integration.js';
import { listening } from './node.js';

const pathOf = (request: Request) => new URL(request.url).pathname;

/** `ReadableStream` takes bytes only. */
function streamOf(body: Exclude<Body, string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return ReadableStream.from(
    (async function* () {
      for await (const chunk of body) yield typeof chunk === 'string' ? encoder.encode(chunk) : chunk;
    })(),
  );
}

const bodyOf = (body: Body | undefined) => (typeof body === 'object' ? streamOf(body) : (body ?? null));

async function* nothing() {}

function callOf(request: Request, session: Session, answer: Call['answer']): Call {
  return {
    method: request.method,
    session,
    body: () => (request.body ?? nothing()) as AsyncIterable<Uint8Array>,
    answer,
    begin(status, fields) {
      let end = (_text: string) => {};
      const text = new Promise<string>((resolve) => {
        end = resolve;
      });
      answer(
        status,
        fields,
        (async function* () {
          yield await text;
        })(),
      );
      return end;
    },
  };
}

const bare: Integration = {
  name: 'bare fetch',
  errors: undefined,
  sockets: false,
  serve(service, app, environment) {
    const handle = async (request: Request, session: Session, _bindings: HttpBindings) => {
      let response: Response | undefined;
      const route = app.routes[pathOf(request)];
      const answer: Call['answer'] = (status, fields = {}, body) => {
        response = new Response(bodyOf(body), { status, headers: fields });
      };
      await route?.(callOf(request, session, answer));
      return response ?? new Response(null, { status: 404 });
    };
    const address = (_request: Request, { incoming }: HttpBindings) => ({
      address: incoming.socket.remoteAddress,
      port: incoming.socket.remotePort,
    });
    const options = { trustProxy: app.trustProxy, environment, address };
    const open = sessionFetch(service, handle, options);
    const asking = Object.fromEntries(
      Object.entries(app.access ?? {}).map(([path, access]) => [
        path,
        sessionFetch(service, handle, { ...options, access }),
      ]),
    );
    const fetch = async (request: Request, bindings: HttpBindings) => {
      const response = await (asking[pathOf(request)] ?? open)(request, bindings);
      for (const [name, value] of Object.entries(app.before ?? {})) response.headers.set(name, value);
      return response;
    };
    return listening(
      createAdaptorServer({ fetch: fetch as (request: Request) => Promise<Response> }) as Server,
    );
  },
};

function honoApp(app: App) {
  const hono = new Hono<SessionEnv>();
  hono.use(async (c, next) => {
    for (const [name, value] of Object.entries(app.before ?? {})) c.header(name, value);
    await next();
  });
  const { failed } = app;
  hono.onError((error, c) => {
    const { status, body } = failed?.(error) ?? { status: 500, body: '' };
    return c.body(body, status as 500);
  });
  return hono;
}

const hono: Integration = {
  name: 'Hono',
  errors: { unhandled: 500 },
  sockets: true,
  serve(service, app, environment) {
    const server = honoApp(app);
    const address = (c: Parameters<typeof getConnInfo>[0]) => getConnInfo(c).remote;
    server.use(sessionMiddleware(service, { trustProxy: app.trustProxy, environment, address }));
    for (const [path, access] of Object.entries(app.access ?? {})) server.use(path, requireSession(access));
    for (const [path, route] of Object.entries(app.routes)) {
      server.all(path, async (c) => {
        let response: Response | undefined;
        await route(
          callOf(c.req.raw, c.var.session, (status, { location, ...fields } = {}, body) => {
            for (const [name, value] of Object.entries(fields)) c.header(name, value);
            response =
              location === undefined
                ? c.body(bodyOf(body), status as 200)
                : c.redirect(location, status as 303);
          }),
        );
        return response ?? c.notFound();
      });
    }
    const { socket } = app;
    if (socket !== undefined) {
      server.get(
        '/ws',
        upgradeWebSocket((c) => {
          const { incoming } = c.env as HttpBindings;
          incoming.socket.once('close', keepSession(c));
          const { session } = c.var as SessionEnv['Variables'];
          return { onOpen: (_event, ws) => socket(session, ws) };
        }),
      );
    }
    const websocket = { server: new WebSocketServer({ noServer: true }) };
    return listening(createAdaptorServer({ fetch: server.fetch, websocket }) as Server);
  },
};

export const FETCH: readonly Integration[] = [hono, bare];
