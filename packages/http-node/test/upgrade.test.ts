import { EventEmitter } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { Session } from '@sessionkit/session-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  httpSettings,
  openUpgrade,
  requireSession,
  sessionHandler,
  sessionMiddleware,
  sessionOf,
  type Upgrade,
} from '../src/index.js';
import { ask, cookieOf, down, raw, serve, settle, type World, world } from './help.js';

const settings = httpSettings();

/** Echoes what a socket sends after the upgrade, and keeps what was opened. */
async function echo(w: World) {
  const opened: Upgrade[] = [];
  const { port, server } = await serve(
    sessionHandler(w.service, (_request, response, session) => {
      session.set('n', 1);
      response.end();
    }),
  );
  server.on('upgrade', (request, socket, head) => {
    onTestFinished(() => void socket.destroy());
    void openUpgrade(w.service, request, socket, settings).then((upgrade) => {
      if (upgrade === undefined) return;
      opened.push(upgrade);
      socket.on('error', () => {});
      const fields = upgrade.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n${fields}\r\n`,
      );
      socket.unshift(head);
      socket.pipe(socket);
    });
  });
  return { port, opened };
}

const upgrade = (lines = '') =>
  `GET /ws HTTP/1.1\r\nHost: x.example\r\nUpgrade: echo\r\nConnection: Upgrade\r\n${lines}\r\n`;

describe('openUpgrade', () => {
  it('gives a socket its session, creates nothing, and stores by commit', async () => {
    const w = world({ autoCreate: true });
    const { port, opened } = await echo(w);
    const cookie = cookieOf(await ask(port));
    const answer = await raw(port, `${upgrade(`Cookie: ${cookie}\r\n`)}hello`, (read) =>
      read.endsWith('hello'),
    );
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    const session = opened[0]?.session;
    expect(session?.get('n')).toBe(1);
    session?.set('n', 2);
    await session?.commit();
    expect(w.backend.saves).toBe(2);
    await expect(session?.login('alice')).rejects.toMatchObject({ code: 'HEADERS_SENT' });
    const anonymous = await raw(port, upgrade(), (read) => read.includes('\r\n\r\n'));
    expect(anonymous).toMatch(/^HTTP\/1.1 101 /);
    expect(anonymous.toLowerCase()).not.toContain('set-cookie');
    expect(w.backend.saves).toBe(2);
  });

  it('closes the visit with the socket', async () => {
    const w = world();
    const { port, opened } = await echo(w);
    const socket = net.connect(port, '127.0.0.1', () => socket.write(upgrade()));
    onTestFinished(() => void socket.destroy());
    await settle(30);
    let closed = 0;
    const visit = opened[0]?.visit;
    if (visit === undefined) throw new Error('not opened');
    const close = visit.close.bind(visit);
    visit.close = () => {
      closed++;
      close();
    };
    socket.destroy();
    await settle(30);
    expect(closed).toBe(1);
  });

  it('answers refusals on the socket and closes it', async () => {
    const w = world();
    const { port, opened } = await echo(w);
    const foreign = await raw(port, upgrade('Sec-Fetch-Site: cross-site\r\n'));
    expect(foreign).toMatch(/^HTTP\/1.1 403 Forbidden\r\nConnection: close\r\n/);
    const [head = '', body = ''] = foreign.split('\r\n\r\n');
    expect(JSON.parse(body)).toMatchObject({ status: 403, code: 'cross_site' });
    expect(head).toContain('content-type: application/problem+json');
    expect(head).toContain(`content-length: ${body.length}`);
    const dead = await raw(port, upgrade('Cookie: sid=rubbish\r\n'));
    expect(dead).toMatch(/^HTTP\/1.1 401 /);
    expect(dead).toMatch(/set-cookie: sid=;/i);
    expect(opened).toEqual([]);
  });

  it('survives a client that resets while the store is asked', async () => {
    const w = world();
    const { port, opened } = await echo(w);
    const cookie = cookieOf(await ask(port));
    let answer = () => {};
    const load = w.backend.load.bind(w.backend);
    const wait = new Promise<void>((resolve) => {
      answer = resolve;
    });
    w.backend.load = async (...args) => {
      await wait;
      return load(...args);
    };
    const socket = net.connect(port, '127.0.0.1', () => socket.write(upgrade(`Cookie: ${cookie}\r\n`)));
    await settle(30);
    socket.resetAndDestroy();
    await settle(30);
    answer();
    await settle(30);
    expect(opened).toEqual([]);
  });

  it('is 503 while the store is down', async () => {
    const w = world();
    const { port } = await echo(w);
    const cookie = cookieOf(await ask(port));
    w.backend.load = () => Promise.reject(down);
    expect(await raw(port, upgrade(`Cookie: ${cookie}\r\n`))).toMatch(/^HTTP\/1.1 503 /);
  });
});

/** How often each visit that is opened from now on is closed. */
function counted({ service }: World): readonly { readonly closed: number }[] {
  const visits: { closed: number }[] = [];
  const open = service.open.bind(service);
  service.open = async (view) => {
    const visit = await open(view);
    const own = { closed: 0 };
    visits.push(own);
    const close = visit.close.bind(visit);
    visit.close = () => {
      own.closed++;
      close();
    };
    return visit;
  };
  return visits;
}

describe('a middleware without a response, as libraries of WebSockets call it', () => {
  /** Answers an upgrade with what the session has under `n`, and keeps the sessions. */
  async function behind(w: World, standIn: object = {}) {
    const sessions: Session[] = [];
    const middleware = sessionMiddleware(w.service);
    const users = requireSession({ require: 'user' });
    const { port, server } = await serve((request, response) =>
      middleware(request, response, () => {
        sessionOf(request).set('n', 1);
        response.end();
      }),
    );
    server.on('upgrade', (request, socket) => {
      onTestFinished(() => void socket.destroy());
      socket.on('end', () => socket.end()).resume();
      const none = standIn as http.ServerResponse;
      middleware(request, none, (error) => {
        const session = sessionOf(request);
        sessions.push(session);
        const answer = () => void socket.write(`HTTP/1.1 101 OK\r\n\r\n${error ?? session.get('n')}!`);
        if (request.url === '/users') users(request, none, answer);
        else answer();
      });
    });
    return { port, sessions };
  }

  it.each([
    ['nothing', {}],
    ['an emitter', new EventEmitter()],
  ])('opens the session, creates none, and closes with the socket: %s', async (_name, standIn) => {
    const w = world({ autoCreate: true });
    const visits = counted(w);
    const { port, sessions } = await behind(w, standIn);
    const cookie = `Cookie: ${cookieOf(await ask(port))}\r\n`;
    const rounds = [upgrade(cookie), upgrade()];
    const answers = [];
    for (const text of rounds) answers.push(await raw(port, text, (read) => read.endsWith('!')));
    expect(answers.map((answer) => answer.split('\r\n\r\n')[1])).toEqual(['1!', 'undefined!']);
    const [held, none] = sessions;
    held?.set('n', 2);
    await held?.commit();
    expect(w.backend.saves).toBe(2);
    await expect(held?.login('alice')).rejects.toMatchObject({ code: 'HEADERS_SENT' });
    expect(() => none?.set('n', 1)).toThrow();
    await expect.poll(() => visits.map(({ closed }) => closed)).toEqual([1, 1, 1]);
  });

  it('refuses on the socket, as requireSession does behind it', async () => {
    const w = world();
    const { port, sessions } = await behind(w);
    expect(await raw(port, upgrade('Sec-Fetch-Site: cross-site\r\n'))).toMatch(/^HTTP\/1.1 403 /);
    expect(sessions).toEqual([]);
    const cookie = cookieOf(await ask(port));
    const users = upgrade(`Cookie: ${cookie}\r\n`).replace('/ws', '/users');
    expect(await raw(port, users)).toMatch(/^HTTP\/1.1 401 /);
  });
});

it('a request with an Upgrade header that no listener takes is a request like any other', async () => {
  const w = world({ autoCreate: true });
  const { port } = await serve(sessionHandler(w.service, (_request, response) => void response.end('plain')));
  const answer = await ask(port, '/', {
    headers: { connection: 'Upgrade', upgrade: 'h2c' },
    agent: new http.Agent(),
  });
  expect([answer.body, w.backend.saves]).toEqual(['plain', 1]);
});
