import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { cookieOf, encode, gateway, send, upstream } from './harness.js';

/** Answers with the fields that the query names: `/?x-session-user=alice`. */
const steered = (steer = true) =>
  upstream((request, response) => {
    const seen = Object.entries(request.headers).filter(([name]) => name.startsWith('x-session-'));
    for (const [name, value] of new URL(request.url ?? '', 'http://x').searchParams) {
      response.appendHeader(name, value);
    }
    response.end(JSON.stringify(Object.fromEntries(seen)));
  }).then((url) => ({ name: 'app', url, steer }));

const query = (...fields: [string, string][]) => `/?${new URLSearchParams(fields)}`;
const json = (body: string) => JSON.parse(body) as Record<string, string | undefined>;

describe('what an upstream says to the session', () => {
  test('a visit counter that the upstream keeps in the session goes up', async () => {
    const url = await upstream((request, response) => {
      const data = request.headers['x-session-data'];
      const { visits = 0 } =
        typeof data === 'string' ? JSON.parse(Buffer.from(data, 'base64url').toString()) : {};
      response.setHeader('X-Session-Data', encode({ visits: visits + 1 }));
      response.end(String(visits + 1));
    });
    const { url: at } = await gateway([url]);
    const first = await send(at);
    expect(first.body).toBe('1');
    const cookie = cookieOf(first);
    for (const visits of ['2', '3']) {
      const next = await send(at, { headers: { cookie } });
      expect(next.body).toBe(visits);
      expect(next.headers['x-session-data']).toBeUndefined();
    }
  });

  test('X-Session-User logs in: same id, data kept, new secret, and the old cookie opens nothing', async () => {
    const { url } = await gateway([await steered()]);
    const first = await send(url + query(['X-Session-Data', encode({ cart: [1] })]));
    const before = await send(url, { headers: { cookie: cookieOf(first) } });
    const login = await send(url + query(['X-Session-User', 'al%20ice%F0%9F%90%88']), {
      headers: { cookie: cookieOf(first) },
    });
    expect(cookieOf(login)).not.toBe('');
    expect(cookieOf(login)).not.toBe(cookieOf(first));
    expect(login.headers['cache-control']).toBe('no-store');
    const after = json((await send(url, { headers: { cookie: cookieOf(login) } })).body);
    expect(after['x-session-id']).toBe(json(before.body)['x-session-id']);
    expect(after['x-session-user']).toBe('al%20ice%F0%9F%90%88');
    expect(after['x-session-data']).toBe(encode({ cart: [1] }));
    const old = json((await send(url, { headers: { cookie: cookieOf(first) } })).body);
    expect(old).toEqual({ 'x-session-id': '-' });
  });

  test('X-Session-User creates a session where none was', async () => {
    const { url } = await gateway([await steered()], { session: { autoCreate: false } });
    const login = await send(url + query(['X-Session-User', 'alice'], ['X-Session-Data', encode({ a: 1 })]));
    expect(json(login.body)).toEqual({ 'x-session-id': '-' });
    const after = json((await send(url, { headers: { cookie: cookieOf(login) } })).body);
    expect(after['x-session-user']).toBe('alice');
    expect(after['x-session-data']).toBe(encode({ a: 1 }));
  });

  test('data that comes with a login as somebody else belongs to the new session', async () => {
    const { url } = await gateway([await steered()]);
    const alice = await send(url + query(['X-Session-User', 'alice'], ['X-Session-Data', encode({ a: 1 })]));
    const bob = await send(url + query(['X-Session-Data', encode({ b: 2 })], ['X-Session-User', 'bob']), {
      headers: { cookie: cookieOf(alice) },
    });
    const seen = json((await send(url, { headers: { cookie: cookieOf(bob) } })).body);
    expect(seen['x-session-user']).toBe('bob');
    expect(seen['x-session-data']).toBe(encode({ b: 2 }));
  });

  test('X-Session-Data is a merge patch: null removes, objects merge, unnamed keys stay', async () => {
    const { url } = await gateway([await steered()]);
    const first = await send(url + query(['X-Session-Data', encode({ a: 1, b: { c: 1, d: 2 }, e: 3 })]));
    const headers = { cookie: cookieOf(first) };
    await send(url + query(['X-Session-Data', encode({ a: null, b: { c: null, f: 4 } })]), { headers });
    const { 'x-session-data': data = '' } = json((await send(url, { headers })).body);
    expect(JSON.parse(Buffer.from(data, 'base64url').toString())).toEqual({ b: { d: 2, f: 4 }, e: 3 });
  });

  test('X-Session-Destroy logs out, clears the cookie, and outranks the other two', async () => {
    const { url, manager } = await gateway([await steered()]);
    const first = await send(url);
    const out = await send(
      url +
        query(['X-Session-User', 'bob'], ['X-Session-Data', encode({ a: 1 })], ['X-Session-Destroy', '1']),
      { headers: { cookie: cookieOf(first) } },
    );
    expect(out.status).toBe(200);
    expect(cookieOf(out)).toBe('sid=');
    expect((await manager.list()).items).toEqual([]);
    const [ended] = (await manager.list({ state: 'ended' })).items;
    expect(ended?.cause).toBe('logout');
    expect((await send(url, { headers: { cookie: cookieOf(first) } })).status).toBe(401);
  });

  const twice = (name: string, value: string): [string, string][] => [
    [name, value],
    [name, value],
  ];
  const rubbish: readonly [what: string, fields: [string, string][], said: RegExp][] = [
    ['data that is not base64url', [['X-Session-Data', 'a+b/']], /x-session-data is not base64url/],
    ['data of an impossible length', [['X-Session-Data', 'abcde']], /x-session-data is not base64url/],
    ['data that is not JSON', [['X-Session-Data', Buffer.from('{a').toString('base64url')]], /is not JSON/],
    [
      'data that is not UTF-8',
      [['X-Session-Data', Buffer.from('22ff22', 'hex').toString('base64url')]],
      /UTF-8/,
    ],
    ['data that is a list', [['X-Session-Data', encode([1])]], /is not a JSON object/],
    ['data that is null', [['X-Session-Data', encode(null)]], /is not a JSON object/],
    [
      'a key __proto__',
      [['X-Session-Data', Buffer.from('{"__proto__":1}').toString('base64url')]],
      /__proto__/,
    ],
    [
      'a key __proto__ further in',
      [['X-Session-Data', Buffer.from('{"a":{"__proto__":1}}').toString('base64url')]],
      /__proto__/,
    ],
    ['a key with a line break', [['X-Session-Data', encode({ 'a\r\nb': 1 })]], /control characters/],
    ['a key of 256 bytes', [['X-Session-Data', encode({ ['k'.repeat(256)]: 1 })]], /at most 255 bytes/],
    ['two users', twice('X-Session-User', 'alice'), /x-session-user is there 2 times/],
    ['two patches', twice('X-Session-Data', encode({})), /x-session-data is there 2 times/],
    ['an empty user', [['X-Session-User', '']], /x-session-user is empty/],
    ['a user that is badly percent-encoded', [['X-Session-User', 'al%zz']], /percent-encoded UTF-8/],
    ['a user that is not UTF-8', [['X-Session-User', '%ff']], /percent-encoded UTF-8/],
    ['a user in plain Latin-1', [['X-Session-User', 'Jos\u00e9']], /not percent-encoded/],
    ['a user with a line break', [['X-Session-User', 'a%0d%0aSet-Cookie:%20x=1']], /control characters/],
    ['a user of 256 bytes', [['X-Session-User', 'u'.repeat(256)]], /at most 255 bytes/],
    ['a destroy that is not 1', [['X-Session-Destroy', 'true']], /x-session-destroy/],
  ];
  for (const [what, fields, said] of rubbish) {
    test(`${what} is a 502 that changes nothing and is named in the log`, async () => {
      const { url, manager, log } = await gateway([await steered()]);
      const first = await send(url + query(['X-Session-Data', encode({ kept: 1 })]));
      const headers = { cookie: cookieOf(first) };
      const all: [string, string][] = [...fields, ['X-Session-Other', 'ignored']];
      if (!what.includes('user')) all.push(['X-Session-User', 'mallory']);
      const reply = await send(url + query(...all), { headers });
      expect(reply.status).toBe(502);
      expect(reply.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(reply.body)).toMatchObject({
        type: 'about:blank',
        status: 502,
        title: 'Bad Gateway',
      });
      expect(log.map(({ message }) => message).join()).toMatch(said);
      expect(log.map(({ message }) => message).join()).toContain('"app"');
      const { items } = await manager.list();
      expect(items.map(({ user }) => user)).toEqual([undefined]);
      expect(json((await send(url, { headers })).body)['x-session-data']).toBe(encode({ kept: 1 }));
    });
  }

  test('a server that may not steer is not obeyed, its fields are dropped, and the log says so once', async () => {
    const { url, manager, log } = await gateway([await steered(false)]);
    for (let i = 0; i < 3; i++) {
      const reply = await send(url + query(['X-Session-User', 'mallory'], ['X-Session-Data', '%%%']));
      expect(reply.status).toBe(200);
      expect(reply.headers['x-session-user']).toBeUndefined();
    }
    expect((await manager.list()).items.map(({ user }) => user)).toEqual([undefined, undefined, undefined]);
    expect(log.map(({ message }) => message)).toEqual([expect.stringMatching(/"app".*steer: true/)]);
  });

  test('X_Session_User is not obeyed, and not passed on either', async () => {
    const { url, manager } = await gateway([await steered()]);
    const reply = await send(url + query(['X_Session_User', 'mallory']));
    expect(reply.raw.join()).not.toMatch(/session.user/i);
    expect((await manager.list()).items[0]?.user).toBeUndefined();
  });

  test('a change that can not be stored is answered with what it stands for: 413, and 401 without a session', async () => {
    const { url } = await gateway([await steered()], { session: { maxData: 100 } });
    const big = await send(url + query(['X-Session-Data', encode({ a: 'x'.repeat(200) })]));
    expect(big.status).toBe(413);
    expect(JSON.parse(big.body)).toMatchObject({ code: 'data_too_large' });
    const none = await gateway([await steered()], { session: { autoCreate: false } });
    const reply = await send(none.url + query(['X-Session-Data', encode({ a: 1 })]));
    expect(reply.status).toBe(401);
    expect(JSON.parse(reply.body)).toMatchObject({ code: 'session_required' });
  });

  test('a store that fails is a 503, and the answer of the upstream is not seen', async () => {
    const slow = await upstream((_request, response) => {
      response.setHeader('X-Session-User', 'alice');
      response.end('secret');
    });
    const { url, manager } = await gateway([slow], { session: { autoCreate: false } });
    await manager.close();
    const reply = await send(url);
    expect(reply.status).toBe(503);
    expect(reply.headers['retry-after']).toBe('1');
    expect(reply.body).not.toContain('secret');
  });

  test('a body that arrives while a login is being stored comes whole, trailers too', async () => {
    const trailing = (response: ServerResponse) => {
      response.writeHead(200, { 'X-Session-User': 'alice', Trailer: 'X-Sum' });
      response.write('x'.repeat(40_000));
      response.addTrailers({ 'X-Sum': '7', 'X-Session-User': 'mallory' });
      response.end();
    };
    const url = await upstream((_request, response) => trailing(response));
    const { url: at, manager } = await gateway([url]);
    const reply = await send(at);
    expect(reply.body).toHaveLength(40_000);
    expect(reply.trailers).toEqual(['X-Sum', '7']);
    expect((await manager.list()).items.map(({ user }) => user)).toEqual(['alice']);
  });
});
