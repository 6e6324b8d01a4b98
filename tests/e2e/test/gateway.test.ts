import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { config, OPERATOR, startApp, startUpstream, stopUpstreams } from './app.js';
import { cookieOf, idOf, problemOf, send, sendRaw } from './client.js';

/** Answers what it was sent. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
}

interface Echo {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}
const echoed = (body: string) => JSON.parse(body) as Echo;

describe('the gateway', () => {
  it('opens a session by cookie, shows it to the upstream, and writes one line per request', async () => {
    const app = await startApp(config(await startUpstream(echo)));
    const first = await send(`${app.public}/first`);
    const cookie = cookieOf(first);
    const second = await send(`${app.public}/second`, { headers: { cookie: `${cookie}; theme=dark` } });
    const { headers } = echoed(second.body);
    expect(headers['x-session-id']).toBe(idOf(cookie));
    expect(headers.cookie).toBe('theme=dark');

    const line = await app.line('/second');
    expect(line).toMatchObject({
      listener: 'public',
      service: 'shop',
      client: '127.0.0.1',
      method: 'GET',
      url: '/second',
      status: 200,
      session: idOf(cookie),
      server: 'up',
      request: headers['x-request-id'],
    });
    expect(line.bytes).toBeGreaterThan(second.body.length);
    expect(line.duration).toBeGreaterThan(0);
    expect(Math.abs(Date.parse(line.time) - Date.now())).toBeLessThan(60_000);
    expect(line).not.toHaveProperty('aborted');
    expect((await app.line('/first')).session).toBe(idOf(cookie));
    expect(await app.stop()).toBe(0);
    expect(app.access).toHaveLength(2);
    // The secret of the token is in no log.
    const secret = cookie.split('.')[1] ?? '';
    expect(secret.length).toBeGreaterThan(40);
    expect(app.stdout + app.stderr).not.toContain(secret);
  });

  it('believes a request id and an address of trusted proxies only', async () => {
    const upstream = await startUpstream(echo);
    const headers = {
      'x-request-id': 'abc-1',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
    };
    const plain = await startApp(config(upstream));
    const doubted = echoed((await send(`${plain.public}/`, { headers })).body).headers;
    expect(doubted['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(doubted['x-forwarded-for']).toBe('127.0.0.1');
    expect(doubted['x-forwarded-proto']).toBe('http');

    const behind = await startApp(config(upstream, { more: 'trust_proxy: [127.0.0.1/32]' }));
    const answer = await send(`${behind.public}/`, { headers });
    expect(echoed(answer.body).headers).toMatchObject(headers);
    expect(answer.headers['set-cookie']?.[0]).toContain('Secure');
    expect(await behind.line('/')).toMatchObject({ request: 'abc-1', client: '203.0.113.7' });
    const odd = await send(`${behind.public}/odd`, { headers: { 'x-request-id': 'a b "c"' } });
    expect(echoed(odd.body).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('passes everything through without a session when there is none', async () => {
    const app = await startApp(config(await startUpstream(echo), { session: 'false' }));
    const answer = await send(`${app.public}/x?_token=abc`, { headers: { cookie: 'sxapi-sess=s1.x' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toBeUndefined();
    const { url, headers } = echoed(answer.body);
    expect(url).toBe('/x?_token=abc');
    expect(headers).toMatchObject({ 'x-session-id': '-', cookie: 'sxapi-sess=s1.x' });
    const line = await app.line('/x');
    expect(line).not.toHaveProperty('session');
  });

  it('passes on what a server answers that does not switch protocols, and lets HTTP/2 in the clear be a mere offer', async () => {
    const app = await startApp(config(await startUpstream(echo)));
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
    const plain = await send(`${app.public}/ws`, { headers: upgrade });
    expect(plain).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(plain.headers['set-cookie']).toBeUndefined();
    const foreign = await send(`${app.public}/ws`, {
      headers: { ...upgrade, origin: 'http://evil.example' },
    });
    expect(problemOf(foreign)).toMatchObject({ status: 403, code: 'cross_site' });
    const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    const posted = await send(`${app.public}/x`, { method: 'POST', headers: offer, body: 'data' });
    expect(posted.status).toBe(200);
    expect(await app.line('/ws')).toMatchObject({ status: 200 });
  });

  it('refuses unsafe requests of another site', async () => {
    const app = await startApp(config(await startUpstream(echo)));
    const headers = { origin: 'http://evil.example' };
    const answer = await send(`${app.public}/x`, { method: 'POST', headers, body: 'a=1' });
    expect(problemOf(answer)).toMatchObject({
      media: 'application/problem+json',
      status: 403,
      code: 'cross_site',
    });
  });

  it('answers what is no HTTP with a problem, and goes on', async () => {
    const app = await startApp(config(await startUpstream(echo)));
    expect(await sendRaw(app.public, 'rubbish\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*problem\+json/s);
    const long = `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(17_000)}\r\n\r\n`;
    expect(await sendRaw(app.public, long)).toMatch(/^HTTP\/1\.1 431 .*problem\+json/s);
    const smuggled =
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await sendRaw(app.public, smuggled)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await send(`${app.public}/after`)).status).toBe(200);
    await app.line('/after');
    expect(app.access.map(({ status }) => status)).toEqual([400, 431, 400, 200]);
  });
});

describe('an upstream', () => {
  it('that is down gives 502, and the session is kept', async () => {
    const app = await startApp(config(await startUpstream(echo)));
    const cookie = cookieOf(await send(`${app.public}/up`));
    stopUpstreams();
    const answer = await send(`${app.public}/down`, { headers: { cookie } });
    expect(problemOf(answer)).toMatchObject({ media: 'application/problem+json', status: 502 });
    expect(answer.headers['set-cookie']).toBeUndefined();
    const shown = await send(`${app.admin}/v1/sessions/${idOf(cookie)}`, { headers: OPERATOR });
    expect(shown.status).toBe(200);
    expect(await app.line('/down')).toMatchObject({ status: 502 });
  });

  it('that is slow gives 504', async () => {
    const upstream = await startUpstream(() => {});
    const app = await startApp(config(upstream, { router: ', response_timeout: 0.3' }));
    expect(problemOf(await send(`${app.public}/slow`))).toMatchObject({ status: 504 });
    expect(await app.line('/slow')).toMatchObject({ status: 504 });
  });

  it('that cuts in the middle has its answer cut, and logged so', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('the beginning');
      setTimeout(() => response.destroy(), 100);
    });
    const app = await startApp(config(upstream));
    await expect(send(`${app.public}/cut`)).rejects.toThrow();
    expect(await app.line('/cut')).toMatchObject({ status: 200, aborted: true });
    expect(app.log.some(({ msg }) => msg === 'an error that nobody caught')).toBe(false);
  });

  it('whose client goes away is logged too', async () => {
    const app = await startApp(config(await startUpstream(() => {})));
    const abort = new AbortController();
    const gone = fetch(`${app.public}/gone`, { signal: abort.signal });
    setTimeout(() => abort.abort(), 200);
    await expect(gone).rejects.toThrow();
    expect(await app.line('/gone')).toMatchObject({ status: 499, aborted: true, bytes: 0 });
  });
});
