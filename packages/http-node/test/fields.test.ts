import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { bearer } from '@sessionkit/transport-bearer';
import { token } from '@sessionkit/transport-token';
import { describe, expect, it } from 'vitest';
import { clearFields, setFields } from '../src/fields.js';
import { sessionHandler } from '../src/index.js';
import { ask, cookieOf, serve, world } from './help.js';

const blank = () => new ServerResponse(new IncomingMessage(new Socket()));

describe('fields', () => {
  it('are added to, extended or replaced, and setting them again changes nothing', () => {
    const response = blank();
    response.setHeader('Set-Cookie', 'own=1');
    response.setHeader('Vary', 'Accept, cookie');
    response.setHeader('Cache-Control', 'public, max-age=60');
    response.setHeader('Access-Control-Expose-Headers', ['X-A', 'X-B']);
    for (let i = 0; i < 2; i++) {
      setFields(response, [
        ['set-cookie', 'sid=1'],
        ['cache-control', 'no-store'],
        ['vary', 'Cookie, Authorization'],
        ['access-control-expose-headers', 'Session-Token'],
        ['www-authenticate', 'Bearer'],
        ['www-authenticate', 'Basic'],
      ]);
    }
    expect({ ...response.getHeaders() }).toEqual({
      'set-cookie': ['own=1', 'sid=1'],
      vary: 'Accept, cookie, Authorization',
      'cache-control': 'no-store',
      'access-control-expose-headers': 'X-A, X-B, Session-Token',
      'www-authenticate': ['Bearer', 'Basic'],
    });
  });

  it('that say nothing of the dropped answer stay, so that a page of another origin can read the refusal', () => {
    const response = blank();
    const lasting = [
      'access-control-allow-origin',
      'strict-transport-security',
      'vary',
      'date',
      'connection',
    ];
    for (const name of [...lasting, 'set-cookie', 'content-type', 'etag', 'x-app'])
      response.setHeader(name, '1');
    clearFields(response);
    expect(response.getHeaderNames().sort()).toEqual([...lasting].sort());
  });

  it('of a visit that stores nothing survive whatever the application does to the head', async () => {
    const w = world({ idleTimeout: 600_000 });
    const { port } = await serve(
      sessionHandler(w.service, (request, response, session) => {
        if (request.url === '/set') session.set('n', 1);
        response.setHeader('Set-Cookie', 'own=1');
        if (request.url === '/list')
          response.writeHead(200, ['Set-Cookie', 'b=2', 'Cache-Control', 'max-age=60']);
        response.end();
      }),
    );
    const cookie = cookieOf(await ask(port, '/set'));
    expect((await ask(port, '/', { cookie })).headers['set-cookie']).toEqual(['own=1']);
    for (const [path, own] of [
      ['/', 'own=1'],
      ['/list', 'b=2'],
    ] as const) {
      w.turn(300_000);
      const renewed = await ask(port, path, { cookie });
      expect(renewed.headers['set-cookie']?.[0]).toBe(own);
      expect(cookieOf(renewed)).toBe(cookie);
      expect(renewed.headers['cache-control']).toBe('no-store');
    }
    expect(w.backend.saves).toBe(1);
  });

  it('tell why a session ended where the service goes on without it', async () => {
    const w = world({ idleTimeout: 60_000, onDead: 'renew' });
    const { port } = await serve(
      sessionHandler(w.service, (request, response, session) => {
        if (request.url === '/set') session.set('n', 1);
        response.end(String(session.get('n')));
      }),
    );
    const cookie = cookieOf(await ask(port, '/set'));
    w.turn(61_000);
    const answer = await ask(port, '/', { cookie });
    expect([answer.status, answer.body, answer.headers['session-ended']]).toEqual([200, 'undefined', 'idle']);
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^sid=; /);
    const next = await ask(port, '/set', { cookie });
    expect(cookieOf(next)).not.toBe(cookie);
  });
});

it('hands tokens out in headers that a page of another origin may read, and challenges as RFC 6750 says', async () => {
  const w = world({ transports: [token(), bearer()], paths: [{ prefix: '/private', session: 'required' }] });
  const { port } = await serve(
    sessionHandler(w.service, (_request, response, session) => {
      session.update<number>('n', (n = 0) => n + 1);
      response.setHeader('Access-Control-Expose-Headers', 'X-App');
      response.end(String(session.get('n')));
    }),
  );
  const first = await ask(port, '/?a=1');
  const given = String(first.headers['session-token']);
  expect(first.headers['access-control-expose-headers']).toMatch(/^X-App, .*Session-Token/i);
  expect((await ask(port, `/private?a=1&%5Ftoken=${given}`)).body).toBe('2');
  expect((await ask(port, '/private', { headers: { authorization: `Bearer ${given}` } })).body).toBe('3');
  const missing = await ask(port, '/private');
  expect([missing.status, missing.headers['www-authenticate']]).toEqual([
    401,
    expect.stringMatching(/^Bearer/),
  ]);
  // A second field of the same name is seen, where node's own `headers` would keep only the first.
  const other = String((await ask(port)).headers['session-token']);
  const planted = ['Host', 'x', 'Authorization', `Bearer ${given}`, 'Authorization', `Bearer ${other}`];
  const twice = await ask(port, '/private', { headers: planted as never });
  expect([twice.status, JSON.parse(twice.body).code]).toEqual([400, 'bad_request']);
});
