import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { config, startApp, startUpstream, until } from './app.js';
import { cookieOf, send, sendRaw } from './client.js';

const BIG = 24 * 1024 * 1024;

/** `/big` is much, `/never` nothing; all else says what it was asked. */
const upstream = () =>
  startUpstream((request, response) => {
    if (request.url === '/big') response.end(Buffer.alloc(BIG, 'x'));
    else if (request.url !== '/never') response.end(JSON.stringify(request.rawHeaders));
  });
const get = (path: string, fields = 'Host: a\r\n') => `GET ${path} HTTP/1.1\r\n${fields}\r\n`;

describe('a hostile client', () => {
  it('gets a problem for what node alone would answer without one, no session, and a line in the log', async () => {
    const app = await startApp(config(await upstream()));
    const asked = [
      [get('/none', ''), 400],
      [get('/two', 'Host: a\r\nHost: b\r\n'), 400],
      [get('/odd', 'Host: a b\r\nConnection: close\r\n'), 400],
      [get('/expect', 'Host: a\r\nExpect: 200-maybe\r\n'), 417],
      [get('http://user:s3cret@a/user', 'Host: a\r\nConnection: close\r\n'), 400],
    ] as const;
    for (const [bytes, status] of asked) {
      const answer = await sendRaw(app.public, bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*no-store[^]*"status":${status}`, 'i'));
    }
    await app.line('http://a/user');
    expect(app.access.map(({ status }) => status)).toEqual(asked.map(([, status]) => status));
    expect(app.stdout).not.toContain('s3cret');
    expect(await app.stop()).toBe(0);
  });

  it('that sends rubbish behind requests under way gets nothing in the middle of their answers', async () => {
    const app = await startApp(config(await upstream()));
    const socket = connect(Number(new URL(app.public).port), '127.0.0.1');
    socket.write(get('/big') + get('/never'));
    await once(socket, 'readable');
    socket.write('\0rubbish\r\n\r\n');
    await delay(200);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(text.slice(-1_000)).toBe('x'.repeat(1_000));
    expect(await app.stop()).toBe(0);
  });

  it('that leaves with answers waiting in line is logged whole, and holds up no end', async () => {
    const app = await startApp(config(await upstream(), { more: 'drain_timeout: 5' }));
    const socket = connect(Number(new URL(app.public).port), '127.0.0.1');
    socket.write([get('/never'), get('/trace').replace('GET', 'TRACE'), get('/never'), get('*')].join(''));
    await delay(300);
    socket.destroy();
    await until('four lines', () => app.access.length === 4);
    expect(app.access.map(({ aborted }) => aborted)).toEqual([true, true, true, true]);
    const begun = Date.now();
    expect(await app.stop()).toBe(0);
    expect(Date.now() - begun).toBeLessThan(4_000);
  });

  it('can not push its cookie or what a proxy says out of sight by thousands of fields', async () => {
    const app = await startApp(config(await upstream(), { more: 'trust_proxy: [127.0.0.1/32]' }));
    const cookie = cookieOf(await send(app.public));
    const many = 'a:b\r\n'.repeat(2_500);
    const last = `Cookie: ${cookie}\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n`;
    const answer = await sendRaw(app.public, get('/many', `Host: a\r\n${many}${last}`));
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(/^set-cookie/im.test(answer)).toBe(false);
    expect(await app.line('/many')).toMatchObject({ client: '203.0.113.7', status: 200 });
  });

  it('is told why it is refused, and so is the access log', async () => {
    const app = await startApp(config(await upstream()));
    const dead = await send(`${app.public}/dead`, { headers: { cookie: 'sxapi-sess=rubbish' } });
    expect(dead.status).toBe(401);
    const foreign = await send(`${app.public}/foreign`, { method: 'POST', headers: { origin: 'http://b' } });
    expect(foreign.status).toBe(403);
    const upgrade = { origin: 'http://b', connection: 'upgrade', upgrade: 'websocket' };
    await send(`${app.public}/socket`, { headers: upgrade });
    await send(`${app.public}/fine`);
    expect(await app.line('/dead')).toMatchObject({ status: 401, code: 'session_invalid' });
    expect(await app.line('/foreign')).toMatchObject({ status: 403, code: 'cross_site' });
    expect(await app.line('/socket')).toMatchObject({ status: 403, code: 'cross_site' });
    expect(await app.line('/fine')).not.toHaveProperty('code');
  });
});
