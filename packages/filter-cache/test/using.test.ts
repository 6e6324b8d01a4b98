import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Exchange, FilterTarget } from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { type CacheOptions, cache } from '../src/index.js';
import { useOf } from '../src/rules.js';
import { serve } from './serve.js';

const GOOD = { 'Cache-Control': 'max-age=60' };

describe('a request is not answered from the cache', () => {
  it.each<[string, RequestInit]>([
    ['with Authorization', { headers: { Authorization: 'Basic eDp5' } }],
    ['for a range', { headers: { Range: 'bytes=0-1' } }],
    ['with If-None-Match', { headers: { 'If-None-Match': '"a"' } }],
    ['with If-Modified-Since', { headers: { 'If-Modified-Since': new Date(0).toUTCString() } }],
    ['with no-store', { headers: { 'Cache-Control': 'no-store' } }],
    ['with a Cache-Control that nobody understands', { headers: { 'Cache-Control': 'max-age="' } }],
    ['for the head', { method: 'HEAD' }],
    ['for the options', { method: 'OPTIONS' }],
  ])('%s, and what it gets is not kept in place of what is there', async (_which, init) => {
    const { get, asked } = await serve(GOOD);
    await get('/');
    await get('/', init);
    expect(asked).toHaveLength(2);
    expect(await get('/')).toMatchObject({ age: '0', body: '#1' });
  });

  it.each<[string, Record<string, string>]>([
    ['no-cache', { 'Cache-Control': 'no-cache' }],
    ['max-age', { 'Cache-Control': 'max-age=0' }],
    ['Pragma', { Pragma: 'no-cache' }],
  ])('with %s, and what it gets is kept in place of what was there', async (_which, headers) => {
    const { get } = await serve(GOOD);
    await get('/');
    expect(await get('/', { headers })).toMatchObject({ age: null, body: '#2' });
    expect(await get('/')).toMatchObject({ age: '0', body: '#2' });
  });

  it('with no-cache, and what was there is forgotten also where the new answer is not kept', async () => {
    let keep = true;
    const { get, asked } = await serve((response) => response.writeHead(200, keep ? GOOD : {}).end());
    await get('/');
    keep = false;
    await get('/', { headers: { 'Cache-Control': 'no-cache' } });
    await get('/');
    expect(asked).toHaveLength(3);
  });
});

it('many blanks in Cache-Control take no time to speak of', () => {
  // With time that grows by the square of the blanks, this would take seconds.
  const control = `x,${' '.repeat(60_000)}@`;
  const request = { method: 'GET', url: '/', headers: { 'cache-control': control } };
  const begun = performance.now();
  expect(useOf({ request } as unknown as Exchange)).toBe('none');
  expect(performance.now() - begun).toBeLessThan(500);
});

it('a request to switch to a WebSocket is not answered from the cache', async () => {
  const filter = cache();
  const { get } = await serve(GOOD, { filter });
  await get('/');
  expect((await get('/')).age).toBe('0');
  const session = await filter.open({} as FilterTarget);
  const request = { method: 'GET', url: '/', headers: {} };
  const response = new ServerResponse(request as IncomingMessage);
  for (const upgrade of [undefined, {}, {}]) {
    const exchange = { request, response, upgrade, scheme: 'http', host: 'x' } as unknown as Exchange;
    let passed = false;
    await session.handle(exchange, async () => {
      passed = true;
      if (upgrade === undefined) response.writeHead(200, GOOD).end();
    });
    expect(passed).toBe(true);
  }
});

describe('what is kept is forgotten', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])(
    'when the session sends a %s to its URL, and only that',
    async (method) => {
      const { get } = await serve(GOOD);
      await get('/a');
      await get('/b');
      await get('/a', { method });
      expect(await get('/a')).toMatchObject({ age: null, body: '#4' });
      expect(await get('/b')).toMatchObject({ age: '0', body: '#2' });
    },
  );

  it('before whoever sent the change sees its answer', async () => {
    const { get, url } = await serve((response, { method }) => {
      response.writeHead(200, GOOD);
      response.write(String(method));
      if (method === 'GET') response.end();
    });
    await get('/');
    const change = await fetch(url, { method: 'POST' });
    // Its answer is not over yet.
    expect((await get('/')).age).toBeNull();
    await change.body?.cancel();
  });

  it('whole, when an answer steers the session', async () => {
    const { get } = await serve((response, { url }, exchange) => {
      if (url === '/steer') exchange.steered = true;
      response.writeHead(200, GOOD).end('x');
    });
    await get('/a');
    await get('/b');
    expect((await get('/a')).age).toBe('0');
    await get('/steer');
    expect([(await get('/a')).age, (await get('/b')).age]).toEqual([null, null]);
  });

  it('when the session of the filter closes, and what still comes in then is not kept', async () => {
    const held: ServerResponse[] = [];
    const { get, session, filter } = await serve((response, { url }) => {
      response.writeHead(200, GOOD);
      if (url === '/held') held.push(response);
      else response.end('x');
    });
    await get('/a');
    const late = get('/held');
    await expect.poll(() => held.length).toBe(1);
    held[0]?.write('part');
    await session.close();
    expect(filter.diagnostics?.()).toMatchObject({ entries: 0 });
    held[0]?.end('rest');
    expect((await late).body).toBe('partrest');
    expect(filter.diagnostics?.()).toMatchObject({ entries: 0, bytes: 0 });
  });
});

it.each(['POST', 'steer'])(
  'an answer that was asked for before a change (%s) and comes after it is not kept',
  async (change) => {
    const held: ServerResponse[] = [];
    const { get } = await serve((response, { url, method, headers }, exchange) => {
      if (url === '/a' && method === 'GET' && headers['x-hold'] !== undefined) {
        held.push(response);
        return;
      }
      if (url === '/steer') exchange.steered = true;
      response.writeHead(200, GOOD).end('new');
    });
    const old = get('/a', { headers: { 'X-Hold': '1' } });
    await expect.poll(() => held.length).toBe(1);
    if (change === 'POST') await get('/a', { method: 'POST' });
    else await get('/steer');
    held[0]?.writeHead(200, GOOD).end('old');
    expect((await old).body).toBe('old');
    expect(await get('/a')).toMatchObject({ age: null, body: 'new' });
  },
);

it('keeps for each session alone, and closing one leaves the others', async () => {
  const filter = cache();
  const one = await serve(() => undefined, { filter });
  const other = await serve(GOOD, { filter });
  await other.get('/');
  await one.session.close();
  expect((await other.get('/')).age).toBe('0');
  expect(filter.diagnostics?.()).toMatchObject({ entries: 1 });
});

describe('the bounds', () => {
  const big = (size: number) => (response: ServerResponse) =>
    response.writeHead(200, GOOD).end(Buffer.alloc(size));

  it('of a session: what was not used for longest gives way', async () => {
    const { get, filter } = await serve(GOOD, { perSession: { entries: 2 } });
    await get('/a');
    await get('/b');
    await get('/a');
    await get('/c');
    expect((await get('/a')).age).toBe('0');
    expect((await get('/c')).age).toBe('0');
    expect((await get('/b')).age).toBeNull();
    expect(filter.diagnostics?.()).toMatchObject({ entries: 2 });
  });

  it('of a session in bytes: an answer that is larger is not collected at all', async () => {
    const { get, filter } = await serve(
      (response, { url }) => big(url === '/big' ? 10_000 : 3_000)(response),
      {
        perSession: { bytes: 10_000 },
      },
    );
    for (const path of ['/big', '/1', '/2', '/3']) await get(path);
    expect(filter.diagnostics?.()).toMatchObject({ entries: 2, stored: 3 });
    expect(filter.diagnostics?.().bytes).toBeLessThanOrEqual(10_000);
    expect((await get('/big')).age).toBeNull();
    expect((await get('/3')).age).toBe('0');
  });

  it('of all sessions, with what is still coming in', async () => {
    const filter = cache({ total: { entries: 3, bytes: 20_000 } });
    const held: ServerResponse[] = [];
    const sessions = [];
    for (let i = 0; i < 3; i++) {
      const one = await serve(
        (response, { url }) => {
          if (url !== '/held') return big(1_000)(response);
          held.push(response);
          return response.writeHead(200, GOOD).write(Buffer.alloc(18_000));
        },
        { filter },
      );
      sessions.push(one);
    }
    for (const { get } of sessions) for (const path of ['/a', '/b']) await get(path);
    expect(filter.diagnostics?.()).toMatchObject({ entries: 3, stored: 6 });
    expect((await sessions[2]?.get('/b'))?.age).toBe('0');
    expect((await sessions[0]?.get('/a'))?.age).toBeNull();
    const slow = sessions[1]?.get('/held');
    await expect.poll(() => filter.diagnostics?.().bytes).toBeGreaterThan(18_000);
    expect(filter.diagnostics?.().bytes).toBeLessThanOrEqual(20_000);
    held[0]?.destroy();
    await expect(slow).rejects.toThrow();
    await expect.poll(() => filter.diagnostics?.().bytes).toBeLessThan(5_000);
  });

  it.each<[CacheOptions, string]>([
    [{ perSession: { entries: 0 } }, 'perSession.entries'],
    [{ perSession: { bytes: 1.5 } }, 'perSession.bytes'],
    [{ total: { entries: -1 } }, 'total.entries'],
    [{ total: { bytes: Number.NaN } }, 'total.bytes'],
    [{ ttl: 0 }, 'ttl'],
  ])('that are none are refused: %j', (options, what) => {
    expect(() => cache(options)).toThrow(what);
  });
});
