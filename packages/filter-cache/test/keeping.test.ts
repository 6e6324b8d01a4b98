import { type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import { TEST_START } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { serve } from './serve.js';

const GOOD = { 'Cache-Control': 'private, max-age=60' };

describe('an answer that says for how long it is good', () => {
  it('is given again until then, with its fields, its body and its age, and asked for anew after that', async () => {
    const { get, clock, asked, filter } = await serve({ ...GOOD, 'X-One': ['1', '2'], ETag: '"a"' });
    const first = await get('/a?b=1');
    expect([first.age, first.body]).toEqual([null, '#1']);
    await clock.advance(59_999);
    const again = await get('/a?b=1');
    expect(again).toMatchObject({ status: 200, age: '59', body: '#1' });
    for (const name of ['x-one', 'etag', 'cache-control'])
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    expect(again.headers.get('x-one')).toBe('1, 2');
    // It came without a date, and node writes that of the real time.
    expect(again.headers.get('date')).toBe(new Date(TEST_START).toUTCString());
    expect(again.headers.get('content-length')).toBe('2');
    await clock.advance(1);
    expect(await get('/a?b=1')).toMatchObject({ age: null, body: '#2' });
    expect(asked).toEqual(['GET /a?b=1', 'GET /a?b=1']);
    expect(filter.diagnostics?.()).toMatchObject({ entries: 1, hits: 1, passed: 2, stored: 2 });
  });

  it('is that of its URL, byte for byte, and of its host', async () => {
    const { asked, url } = await serve(GOOD);
    const send = (path: string, headers: OutgoingHttpHeaders = {}) =>
      new Promise<boolean>((resolve) => {
        const sent = request(url, { path, headers }, (answer) => {
          answer.resume().once('end', () => resolve(answer.headers.age !== undefined));
        });
        sent.end();
      });
    const paths = ['/a', '/A', '/a?', '/a?x=1&y=2', '/a?y=2&x=1', '/%61', '/a/', '//a'];
    for (const path of paths) expect([path, await send(path)]).toEqual([path, false]);
    expect(await send('/a', { Host: 'shop.example' })).toBe(false);
    expect(asked).toHaveLength(paths.length + 1);
    for (const path of paths) expect([path, await send(path)]).toEqual([path, true]);
    expect(await send('/a', { Host: 'shop.example' })).toBe(true);
  });

  it('keeps the date that it came with', async () => {
    const date = new Date(TEST_START - 60_000).toUTCString();
    const { get } = await serve({ ...GOOD, Date: date });
    await get('/');
    const again = await get('/');
    expect([again.age, again.headers.get('date')]).toEqual(['0', date]);
  });

  it('is given whole, whatever bytes it has and however it was written', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));
    const { url } = await serve(async (response) => {
      response.writeHead(200, GOOD);
      const part = Buffer.alloc(1_000);
      for (let at = 0; at < bytes.length; at += part.length) {
        bytes.copy(part, 0, at);
        await new Promise((resolve) => response.write(part, resolve));
        part.fill(0);
      }
      response.end();
    });
    for (const cached of [false, true]) {
      const answer = await fetch(url);
      expect(answer.headers.has('age')).toBe(cached);
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    }
  });

  it('counts the age that it came with, and the time that it took', async () => {
    const { get, clock } = await serve(async (response) => {
      await clock.advance(5_000);
      response.writeHead(200, { ...GOOD, Age: '20' }).end('x');
    });
    await get('/');
    expect((await get('/')).age).toBe('25');
    await clock.advance(34_000);
    expect((await get('/')).age).toBe('59');
    await clock.advance(1_000);
    expect((await get('/')).age).toBe('20');
  });

  it('is used for no longer than the filter says', async () => {
    const { get, clock } = await serve(GOOD, { ttl: 10_000 });
    await get('/');
    await clock.advance(9_999);
    expect((await get('/')).age).toBe('9');
    await clock.advance(1);
    expect((await get('/')).age).toBeNull();
  });

  it('is not used by a clock that was set back behind its coming', async () => {
    let now = 100_000;
    const { get } = await serve(GOOD, { now: () => now });
    await get('/');
    now = 99_999;
    expect((await get('/')).age).toBeNull();
  });

  it('comes with the fields that the session has put on this response, and not with those of the one before', async () => {
    const { get } = await serve(GOOD, { before: { Vary: 'Cookie', 'X-Own': 'fresh' } });
    await get('/');
    const again = await get('/');
    expect(again.age).toBe('0');
    expect([again.headers.get('vary'), again.headers.get('x-own')]).toEqual(['Cookie', 'fresh']);
  });

  it('comes without the fields of the connection that it came over', async () => {
    const { get } = await serve({ ...GOOD, Connection: 'close, X-Hop', 'X-Hop': '1', 'Keep-Alive': 'x' });
    await get('/');
    const again = await get('/');
    expect(again.age).toBe('0');
    expect(again.headers.get('x-hop')).toBeNull();
    expect(again.headers.get('connection')).toBe('keep-alive');
  });
});

describe('an answer is not kept', () => {
  it.each<[string, Record<string, string | string[]>]>([
    ['without Cache-Control', {}],
    ['that only says when it expires', { Expires: new Date(Date.now() + 60_000).toUTCString() }],
    ['without max-age', { 'Cache-Control': 'private' }],
    ['that is for shared caches', { 'Cache-Control': 's-maxage=60' }],
    ['that is over at once', { 'Cache-Control': 'max-age=0' }],
    ['that is older than it may be', { ...GOOD, Age: '60' }],
    ['whose age is none', { ...GOOD, Age: 'x' }],
    ['with no-store', { 'Cache-Control': 'max-age=60, no-store' }],
    ['with no-store in capitals', { 'Cache-Control': 'max-age=60, No-Store' }],
    ['with no-store in a second field', { 'Cache-Control': ['max-age=60', 'no-store'] }],
    ['with no-cache', { 'Cache-Control': 'no-cache, max-age=60' }],
    ['with no-cache for a field', { 'Cache-Control': 'max-age=60, no-cache="x, y"' }],
    ['that says two ages', { 'Cache-Control': 'max-age=60, max-age=0' }],
    ['whose max-age is none', { 'Cache-Control': 'max-age=1.5' }],
    ['whose max-age is below 0', { 'Cache-Control': 'max-age=-5' }],
    ['that nobody understands', { 'Cache-Control': 'max-age=60, "' }],
    ['that sets a cookie', { ...GOOD, 'Set-Cookie': 'a=1' }],
    ['that varies', { ...GOOD, Vary: 'Accept' }],
    ['that says something to the session', { ...GOOD, 'X-Session-Data': 'x' }],
    ['that announces trailers', { ...GOOD, Trailer: 'x' }],
  ])('%s', async (_which, fields) => {
    const { get, filter } = await serve(fields);
    await get('/');
    expect((await get('/')).body).toBe('#2');
    expect(filter.diagnostics?.()).toMatchObject({ entries: 0, bytes: 0, hits: 0 });
  });

  it.each<[string, string]>([
    ['in capitals', 'Max-Age=60'],
    ['in quotes', 'private, max-age="60"'],
    ['beside what nobody knows', ' , foo=bar, immutable,max-age=60,'],
    ['beside a field that is private', 'private="set-cookie, x", max-age=60'],
  ])('but it is with max-age %s', async (_how, control) => {
    const { get } = await serve({ 'Cache-Control': control });
    await get('/');
    expect((await get('/')).age).toBe('0');
  });

  it.each([201, 203, 204, 206, 301, 404, 500])('with the status %s', async (status) => {
    const { get, asked } = await serve((response) => response.writeHead(status, GOOD).end());
    await get('/', { redirect: 'manual' });
    await get('/', { redirect: 'manual' });
    expect(asked).toHaveLength(2);
  });

  it('that steered the session', async () => {
    const { get, asked } = await serve((response, _request, exchange) => {
      exchange.steered = true;
      response.writeHead(200, GOOD).end();
    });
    await get('/');
    await get('/');
    expect(asked).toHaveLength(2);
  });

  it('that varies as the session does, and says so itself', async () => {
    const { get, asked } = await serve({ ...GOOD, Vary: 'Cookie' }, { before: { Vary: 'Cookie' } });
    await get('/');
    await get('/');
    expect(asked).toHaveLength(2);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['that is cut', (response) => response.write('part', () => response.destroy())],
    [
      'that is shorter than it says',
      (response) => {
        response.setHeader('Content-Length', 10);
        response.write('part', () => response.destroy());
      },
    ],
  ])('%s', async (_which, write) => {
    const { url, asked, filter } = await serve((response) => {
      for (const [name, value] of Object.entries(GOOD)) response.setHeader(name, value);
      write(response);
    });
    for (let i = 0; i < 2; i++) {
      await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow();
    }
    expect(asked).toHaveLength(2);
    expect(filter.diagnostics?.()).toMatchObject({ entries: 0, bytes: 0 });
  });
});
