import http from 'node:http';
import net from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { httpSettings, openUpgrade, sessionHandler, type Upgrade } from '../src/index.js';
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

it('a request with an Upgrade header that no listener takes is a request like any other', async () => {
  const w = world({ autoCreate: true });
  const { port } = await serve(sessionHandler(w.service, (_request, response) => void response.end('plain')));
  const answer = await ask(port, '/', {
    headers: { connection: 'Upgrade', upgrade: 'h2c' },
    agent: new http.Agent(),
  });
  expect([answer.body, w.backend.saves]).toEqual(['plain', 1]);
});
