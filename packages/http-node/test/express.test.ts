import type { IncomingMessage, ServerResponse } from 'node:http';
import compression from 'compression';
import connect from 'connect';
import express4 from 'express4';
import express5 from 'express5';
import { describe, expect, it } from 'vitest';
import { sessionMiddleware, sessionOf } from '../src/index.js';
import { ask, cookieOf, down, serve, world } from './help.js';

type Next = (error?: unknown) => void;
type Handler = (request: IncomingMessage, response: ServerResponse, next: Next) => void;
type ErrorHandler = (error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** As much of an application as Connect and both Express have. */
interface App {
  (request: IncomingMessage, response: ServerResponse): void;
  use(handler: Handler): unknown;
  use(handler: ErrorHandler): unknown;
  use(path: string, handler: Handler): unknown;
}

const FRAMEWORKS: Readonly<Record<string, () => App>> = {
  Connect: () => connect() as unknown as App,
  'Express 4': () => express4() as unknown as App,
  'Express 5': () => express5() as unknown as App,
};

for (const [name, create] of Object.entries(FRAMEWORKS)) {
  describe(name, () => {
    const start = async (app: App, options = {}) => {
      const w = world(options);
      const { port } = await serve(app);
      return { w, port, session: sessionMiddleware(w.service, { environment: w.environment }) };
    };

    it('answers errors by its own handlers, with the session stored', async () => {
      const app = create();
      const { w, port, session } = await start(app);
      app.use(session);
      app.use('/own', (request, _response, next) => {
        sessionOf(request).set('n', 1);
        next(new Error('own'));
      });
      app.use((error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => {
        if (!(error instanceof Error) || error.message !== 'own') return next(error);
        response.statusCode = 422;
        response.end(`handled ${sessionOf(request).get('n')}`);
      });
      app.use('/default', (request) => {
        sessionOf(request).set('n', 1);
        throw new Error('default');
      });
      const own = await ask(port, '/own');
      expect([own.status, own.body, w.backend.saves]).toEqual([422, 'handled 1', 1]);
      expect(cookieOf(own)).toContain('sid=');
      const other = await ask(port, '/default', { cookie: cookieOf(own) });
      expect(other.status).toBe(500);
      expect((await ask(port, '/nowhere', { cookie: cookieOf(own) })).status).toBe(404);
    });

    it('answers refusals itself: a missing session and a cross-site request never reach a handler', async () => {
      const app = create();
      let reached = 0;
      const { port, session } = await start(app, {
        paths: [{ prefix: '/private', session: 'required', loginUrl: '/login' }],
      });
      app.use((_request, response, next) => {
        response.setHeader('x-request-id', '7');
        next();
      });
      app.use(session);
      app.use((_request, response) => {
        reached++;
        response.end();
      });
      const missing = await ask(port, '/private/x');
      expect([missing.status, JSON.parse(missing.body).code]).toEqual([401, 'session_required']);
      expect(missing.headers['x-request-id']).toBe('7');
      const browser = await ask(port, '/private', { headers: { accept: 'text/html' } });
      expect([browser.status, browser.headers.location, browser.body]).toEqual([302, '/login', '']);
      const foreign = await ask(port, '/', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } });
      expect([foreign.status, JSON.parse(foreign.body).code]).toEqual([403, 'cross_site']);
      const origin = await ask(port, '/', { method: 'POST', headers: { origin: 'https://evil.example' } });
      expect(origin.status).toBe(403);
      expect(reached).toBe(0);
      expect((await ask(port, '/', { method: 'POST' })).status).toBe(200);
    });

    it('guards a path by what the client sent, also behind a mount and in any spelling', async () => {
      const app = create();
      const { port, session } = await start(app, {
        paths: [{ prefix: '/api/private', session: 'required' }],
      });
      app.use('/api', session as Handler);
      app.use((_request, response) => response.end('open'));
      for (const path of [
        '/api/private',
        '/api//private',
        '/api/%70rivate',
        '/api/private#x',
        'http://a/api/private?x',
      ]) {
        expect([path, (await ask(port, path)).status]).toEqual([path, 401]);
      }
      expect((await ask(port, '/api/public')).body).toBe('open');
    });

    for (const order of ['before', 'after'] as const) {
      it(`works with compression ${order} the session`, async () => {
        const app = create();
        const { w, port, session } = await start(app);
        const compress = compression({ threshold: 0 }) as unknown as Handler;
        for (const each of order === 'before' ? [compress, session] : [session, compress]) app.use(each);
        app.use((request, response) => {
          sessionOf(request).update<number>('n', (n = 0) => n + 1);
          response.setHeader('content-type', 'text/plain');
          response.write('a'.repeat(1000));
          response.write('b'.repeat(1000));
          response.end('c');
        });
        const headers = { 'accept-encoding': 'gzip' };
        const first = await ask(port, '/', { headers });
        expect(first.headers['content-encoding']).toBe('gzip');
        expect(first.headers.vary?.split(/, */).sort()).toEqual(['Accept-Encoding', 'Cookie']);
        const cookie = cookieOf(first);
        expect((await ask(port, '/', { cookie })).body).toBe(`${'a'.repeat(1000)}${'b'.repeat(1000)}c`);
        w.backend.fault = down;
        const failed = await ask(port, '/', { cookie });
        expect([failed.status, JSON.parse(failed.body).code]).toEqual([503, 'store_unavailable']);
        const zipped = await ask(port, '/', { cookie, headers });
        expect(zipped.status).toBe(503);
      });
    }
  });
}

describe('Express’ own answers', () => {
  for (const [name, express] of [
    ['Express 4', express4],
    ['Express 5', express5 as unknown as typeof express4],
  ] as const) {
    it(`${name}: send, json, redirect, cookie, sendFile and a conditional request are held`, async () => {
      const w = world();
      const app = express();
      const { port } = await serve(app);
      app.use(sessionMiddleware(w.service));
      app.use((request, _response, next) => {
        sessionOf(request).update<number>('n', (n = 0) => n + 1);
        next();
      });
      app.get('/send', (_request, response) => void response.send('sent'));
      app.get('/json', (_request, response) => void response.json({ a: 1 }));
      app.get('/redirect', (_request, response) => response.redirect('/send'));
      app.get('/cookie', (_request, response) => void response.cookie('own', '1').status(201).send('c'));
      app.get('/file', (_request, response) => response.sendFile(new URL(import.meta.url).pathname));
      const first = await ask(port, '/send');
      const cookie = cookieOf(first);
      expect(first.body).toBe('sent');
      const paths = ['/json', '/redirect', '/cookie', '/file', '/nowhere'];
      const answers = [];
      for (const path of paths) answers.push(await ask(port, path, { cookie }));
      expect(answers.map(({ status }) => status)).toEqual([200, 302, 201, 200, 404]);
      expect(answers[3]?.body).toContain('Express’ own answers');
      expect(answers[2]?.headers['set-cookie']).toEqual(['own=1; Path=/']);
      expect(answers[0]?.headers['content-length']).toBe('7');
      const etag = first.headers.etag ?? '';
      expect((await ask(port, '/send', { cookie, headers: { 'if-none-match': etag } })).status).toBe(304);
      expect(w.backend.saves).toBe(7);
      w.backend.fault = down;
      for (const path of paths) expect((await ask(port, path, { cookie })).status).toBe(503);
    });
  }
});

it('says what is missing when a handler has no middleware before it', () => {
  expect(() => sessionOf({} as IncomingMessage)).toThrow(/put sessionMiddleware before/);
});
