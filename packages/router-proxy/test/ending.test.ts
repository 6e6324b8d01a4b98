import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSessionId } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { cookieOf, exchangeBytes, gateway, send, upstream } from './harness.js';

const actor = { name: 'admin' };

async function visited(path: string) {
  const closed: string[] = [];
  let arrived = 0;
  const url = await upstream((request, response) => {
    response.on('close', () => closed.push(request.url ?? ''));
    if (request.url === '/') response.end('hello');
    else arrived++;
    if (request.url === '/stream') response.write('first');
  });
  const made = await gateway([url]);
  const cookie = cookieOf(await send(made.url));
  const reply = send(made.url + path, { headers: { cookie } });
  const outcome = reply.then(
    ({ status, body }) => ({ status, body }),
    (error: NodeJS.ErrnoException) => ({ status: error.code, body: '' }),
  );
  await expect.poll(() => arrived).toBe(1);
  const id = (await made.manager.list()).items[0]?.id ?? '';
  if (!isSessionId(id)) throw new Error('no session');
  return { ...made, cookie, outcome, closed, id };
}

describe('a session that an operator ends', () => {
  test('before the head: 401 session_ended, and the request upstream is given up', async () => {
    const { manager, outcome, closed, id, handled, log } = await visited('/slow');
    await manager.end(id, actor);
    const { status, body } = await outcome;
    expect(status).toBe(401);
    expect(JSON.parse(body)).toMatchObject({ status: 401, code: 'session_ended', title: 'Unauthorized' });
    await expect.poll(() => closed).toContain('/slow');
    await Promise.all(handled);
    expect(log.filter(({ level }) => level !== 'notice')).toEqual([]);
  });

  test('after the head: the answer is cut, and the stream upstream is closed', async () => {
    const { manager, outcome, closed, id, handled } = await visited('/stream');
    await manager.end(id, actor);
    expect((await outcome).status).toBe('ECONNRESET');
    await expect.poll(() => closed).toContain('/stream');
    await Promise.all(handled);
  });

  test('while its upload is under way: 401, and the connection is closed', async () => {
    const { manager, port, cookie, id } = await visited('/slow');
    const head = `POST /slow HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\nContent-Length: 100\r\n\r\nabc`;
    const text = exchangeBytes(port, head);
    await sleep(100);
    await manager.end(id, actor);
    expect(await text).toMatch(/^HTTP\/1.1 401 .*Connection: close\r\n.*session_ended/s);
  });

  test('others go on, and its next visit is refused once', async () => {
    const { manager, url, cookie, id, outcome } = await visited('/slow');
    const other = cookieOf(await send(url));
    await manager.end(id, actor);
    await outcome;
    expect((await send(url, { headers: { cookie: other } })).status).toBe(200);
    const refused = await send(url, { headers: { cookie } });
    expect([refused.status, cookieOf(refused)]).toEqual([401, 'sid=']);
    expect((await send(url)).status).toBe(200);
  });

  test('a stream that began with the login that made its session ends with it', async () => {
    const url = await upstream((_request, response) => {
      response.writeHead(200, { 'X-Session-User': 'alice' });
      response.write('first');
    });
    const { url: at, manager } = await gateway([url], { session: { autoCreate: false } });
    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get(at, { agent: false }, resolve);
    });
    const over = new Promise((resolve) => response.on('error', resolve));
    response.resume();
    const [alice] = (await manager.list()).items;
    if (alice === undefined) throw new Error('no session');
    await manager.end(alice.id, actor);
    expect(await over).toMatchObject({ code: 'ECONNRESET' });
  });
});
