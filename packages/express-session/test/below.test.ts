import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager, processEnvironment } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expect, it, onTestFinished } from 'vitest';
import { expressSession, sessionOf } from '../src/index.js';
import type { AppRequest, Express } from './app.js';
import { makeApp } from './app.js';
import { Browser, serve } from './help.js';
import { EXPRESS, HOUR } from './sides.js';

/** An application with passport whose clock can be turned, and routes for what express-session has not. */
async function app() {
  let ahead = 0;
  const turn = (by: number) => {
    ahead += by;
  };
  const environment = { ...processEnvironment, now: () => Date.now() + ahead };
  const manager = createSessionManager({ environment });
  onTestFinished(() => manager.close());
  const service = manager.service('app', {
    backend: memory(),
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
    onDead: 'renew',
    idleTimeout: HOUR,
    duration: 24 * HOUR,
  });
  const express = makeApp(EXPRESS['Express 5'] as Express, expressSession(service, { environment }));
  express.get('/mine', async (request, response) => {
    const own = await sessionOf(request).sessions();
    response.json(own.map(({ id, current }) => [id === request.sessionID, current]));
  });
  express.post('/others', async (request, response) => {
    response.json(await sessionOf(request).endOthers());
  });
  express.post('/rotate', async (request, response) => {
    request.session.rotated = true;
    response.json(await sessionOf(request).rotate());
  });
  const wait =
    (touch: (request: AppRequest, done: () => void) => void) =>
    (request: AppRequest, response: { send(text: string): void }) => {
      turn(50 * 60_000);
      touch(request, () => response.send('touched'));
    };
  express.get(
    '/waits',
    wait((_request, done) => done()),
  );
  express.get(
    '/touches',
    wait((request, done) => request.session.touch(done)),
  );
  const port = await serve(express);
  return { turn, port };
}

const login = async (port: number) => {
  const browser = new Browser(port);
  await browser.post('/login', { username: 'alice', password: 'right' });
  return browser;
};

it('the session below lists those of its user, and ends the others', async () => {
  const { port } = await app();
  const [here, there] = [await login(port), await login(port)];
  const mine = (await here.get('/mine')).json;
  expect(mine).toHaveLength(2);
  expect(mine).toEqual(
    expect.arrayContaining([
      [true, true],
      [false, false],
    ]),
  );
  expect((await here.post('/others')).json).toBe(1);
  expect((await there.get('/')).json).toMatchObject({ authenticated: false });
  expect((await here.get('/')).json).toMatchObject({ authenticated: true });
});

it('is rotated together with what was set beside it', async () => {
  const { port, turn } = await app();
  const browser = await login(port);
  turn(61_000);
  const before = await browser.value('sid');
  expect((await browser.post('/rotate')).json).toBe('rotated');
  expect(await browser.value('sid')).not.toBe(before);
  expect((await browser.get('/')).json).toMatchObject({ user: 'alice', data: { rotated: true } });
});

it('touch is a use of the session, and calls back', async () => {
  for (const [path, lives] of [
    ['/touches', true],
    ['/waits', false],
  ] as const) {
    const { port, turn } = await app();
    const browser = await login(port);
    expect((await browser.get(path)).text).toBe('touched');
    turn(50 * 60_000);
    expect((await browser.get('/')).json, path).toMatchObject({ authenticated: lives });
  }
});

it('says what is missing when a handler has no expressSession before it', () => {
  expect(() => sessionOf({} as IncomingMessage)).toThrow('put expressSession before this handler');
});

it('of an upgrade, which libraries of WebSockets hand over with nothing for a response, may be changed and saved', async () => {
  const manager = createSessionManager();
  onTestFinished(() => manager.close());
  const service = manager.service('app', {
    backend: memory(),
    transports: [cookie({ name: 'sid' })],
    autoCreate: 'on_write',
  });
  const session = expressSession(service);
  const server = createServer((request, response) =>
    session(request, response, () => {
      const { session: own } = request as AppRequest;
      own.n = Number(own.n ?? 0) + 1;
      response.end(String(own.n));
    }),
  );
  server.on('upgrade', (request, socket) =>
    session(request, {} as ServerResponse, (error) => {
      const { session: own } = request as AppRequest;
      own.n = Number(own.n) + 10;
      own.save((fault) => socket.end(`${error ?? fault ?? own.n}`));
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const browser = new Browser(port);
  expect((await browser.get('/')).text).toBe('1');
  const text = await new Promise<string>((resolve) => {
    let read = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk) => {
      read += chunk;
    });
    socket.on('close', () => resolve(read));
    void browser
      .value('sid')
      .then((sid) =>
        socket.write(
          `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: sid=${sid}\r\n\r\n`,
        ),
      );
  });
  expect(text).toBe('11');
  expect((await browser.get('/')).text).toBe('12');
});
