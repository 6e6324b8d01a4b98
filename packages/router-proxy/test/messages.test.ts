import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import {
  ADMIN,
  cookieOf,
  echo,
  encode,
  exchangeBytes,
  gateway,
  rawUpstream,
  send,
  upstream,
} from './harness.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
}
const seen = (text: string): Seen => JSON.parse(text.slice(text.indexOf('{'))) as Seen;
const values = ({ rawHeaders }: Seen, name: string) =>
  rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);

/** Counts what arrived as a body, and how it was framed. */
const counting = (request: IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      const { 'transfer-encoding': chunked, 'content-length': length } = request.headers;
      const trailers = Object.keys(request.trailers).join();
      resolve([request.method, bytes, chunked ?? '-', length ?? '-', trailers].join(' '));
    });
  });
const counter = () =>
  upstream((request, response) => void counting(request).then((line) => response.end(line)));

describe('a request on its way up', () => {
  test('says where it comes from, and what the client said about that is gone', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const text = await exchangeBytes(
      port,
      'GET /a HTTP/1.1\r\nHost: evil\r\nX-Forwarded-For: 10.0.0.1\r\nX_Forwarded_Host: evil\r\nForwarded: for=1\r\n' +
        'X-Request-Id: evil\r\nConnection: close\r\n\r\n',
    );
    const got = seen(text);
    expect(values(got, 'x-forwarded-for')).toEqual(['192.0.2.7']);
    expect(values(got, 'x-forwarded-proto')).toEqual(['https']);
    expect(values(got, 'x-forwarded-host')).toEqual(['shop.example']);
    expect(values(got, 'host')).toEqual(['shop.example']);
    expect(values(got, 'x-request-id')).toEqual(['r1']);
    expect(text).not.toMatch(/evil|10\.0\.0\.1|forwarded":/i);
  });

  test('X-Session-* of a client reaches no upstream: underscores, nominations, duplicates, trailers', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const text = await exchangeBytes(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nX-Session-User: root\r\nX_Session_User: root\r\nx-session_id: root\r\n' +
        'Connection: close, X-Session-Id, X-Session-User\r\nX-Session-Id: root\r\nTransfer-Encoding: chunked\r\n' +
        'Trailer: X-Session-User\r\n\r\n3\r\nabc\r\n0\r\nX-Session-User: root\r\n\r\n',
    );
    const got = seen(text);
    expect(text).not.toContain('root');
    expect(values(got, 'x-session-id')).toEqual([expect.stringMatching(/^s[0-9a-z]{26}$/)]);
    expect(values(got, 'x-session-user')).toEqual([]);
  });

  test('request trailers are dropped, whatever their name', async () => {
    const { port } = await gateway([await counter()]);
    const text = await exchangeBytes(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
    );
    expect(text).toMatch(/POST 3 chunked - $/);
  });

  test('carries no credential: cookie, parameter, bearer token, admin password', async () => {
    const { url } = await gateway([await upstream(echo)]);
    const cookie = cookieOf(await send(url));
    const token = cookie.slice('sid='.length);
    const reply = await send(`${url}/x?a=1&_token=${token}&b=2`, {
      headers: { Cookie: `a=1; ${cookie}; b=2`, Authorization: `Bearer ${token}` },
    });
    const got = seen(reply.body);
    expect(reply.body).not.toContain(token.slice(28));
    expect(got.url).toBe('/x?a=1&b=2');
    expect(values(got, 'cookie')).toEqual(['a=1; b=2']);
    expect(
      values(seen((await send(url, { headers: { Authorization: ADMIN } })).body), 'authorization'),
    ).toEqual([]);
    const theirs = { Authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x' };
    expect(values(seen((await send(url, { headers: theirs })).body), 'authorization')).toEqual([
      theirs.Authorization,
    ]);
  });

  test('is in origin form, whatever form it came in', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const get = (target: string) =>
      exchangeBytes(port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(seen(await get('http://other.example/x?y=1&_token=2')).url).toBe('/x?y=1');
    expect(await get('ftp://other.example/x')).toMatch(/^HTTP\/1.1 400 .*problem\+json/s);
    const star = await exchangeBytes(port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(star).toMatch(/^HTTP\/1.1 204 /);
  });

  test('a user and data with line breaks and any Unicode stay inside their fields', async () => {
    const { url, manager } = await gateway([
      await upstream((request, response) => {
        if (request.url === '/set') {
          response.setHeader('X-Session-User', encodeURIComponent('J\u00f6rg \u{1f408} "x"; y=\\'));
          response.setHeader('X-Session-Data', encode({ 'k"': 'a\r\nX-Session-User: root\u2028\u0000' }));
        }
        echo(request, response);
      }),
    ]);
    const set = await send(`${url}/set`);
    const got = seen((await send(url, { headers: { cookie: cookieOf(set) } })).body);
    expect(values(got, 'x-session-user').map(decodeURIComponent)).toEqual(['J\u00f6rg \u{1f408} "x"; y=\\']);
    const [data = ''] = values(got, 'x-session-data');
    expect(JSON.parse(Buffer.from(data, 'base64url').toString())).toEqual({
      'k"': 'a\r\nX-Session-User: root\u2028\u0000',
    });
    expect((await manager.list()).items).toHaveLength(1);
  });

  test('data above 4,096 encoded bytes is left out, and how much it is, is said', async () => {
    const { url } = await gateway([
      await upstream((request, response) => {
        const size = Number(new URL(request.url ?? '', 'http://x').searchParams.get('size'));
        if (size > 0) response.setHeader('X-Session-Data', encode({ a: 'x'.repeat(size - 8) }));
        echo(request, response);
      }),
    ]);
    // 3,072 bytes of JSON are 4,096 encoded.
    for (const [size, sent] of [
      [3072, true],
      [3073, false],
    ] as const) {
      const cookie = cookieOf(await send(`${url}/?size=${size}`));
      const got = seen((await send(url, { headers: { cookie } })).body);
      expect(values(got, 'x-session-data').map((data) => data.length)).toEqual(sent ? [4096] : []);
      expect(values(got, 'x-session-data-omitted')).toEqual(sent ? [] : ['4098']);
    }
  });

  test('without a session X-Session-Id is a dash, and nothing else is said', async () => {
    const { url } = await gateway([await upstream(echo)], { session: { autoCreate: false } });
    const reply = await send(url);
    expect(values(seen(reply.body), 'x-session-id')).toEqual(['-']);
    expect(reply.body).not.toMatch(/x-session-(user|data)/i);
    expect(reply.headers['set-cookie']).toBeUndefined();
  });

  test('bodies are framed as they came: chunked DELETE and GET, a length, an empty one, none', async () => {
    const { port } = await gateway([await counter()]);
    const chunked = 'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    const head = (method: string) => `${method} / HTTP/1.1\r\nHost: a\r\n`;
    const line = async (bytes: string) =>
      (await exchangeBytes(port, bytes)).match(/[A-Z]+ \d+ \S+ \S+ /)?.[0];
    expect(await line(head('DELETE') + chunked)).toBe('DELETE 3 chunked - ');
    expect(await line(head('GET') + chunked)).toBe('GET 3 chunked - ');
    expect(await line(`${head('GET')}Content-Length: 3\r\nConnection: close\r\n\r\nabc`)).toBe('GET 3 - 3 ');
    expect(await line(`${head('PUT')}Content-Length: 3\r\nConnection: close\r\n\r\nabc`)).toBe('PUT 3 - 3 ');
    expect(await line(`${head('POST')}Content-Length: 0\r\nConnection: close\r\n\r\n`)).toBe('POST 0 - 0 ');
    expect(await line(`${head('DELETE')}Connection: close\r\n\r\n`)).toBe('DELETE 0 - - ');
  });

  test('Expect: 100-continue is answered here, and the upload goes on', async () => {
    const { port } = await gateway([await counter()]);
    const head =
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n';
    const text = await exchangeBytes(port, `${head}abc`);
    expect(text).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 .*POST 3 - 3 /s);
  });

  test('a WebSocket is refused with 501, TRACE too, and an upgrade to h2c is overlooked', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const get = (fields: string, method = 'GET') =>
      exchangeBytes(port, `${method} / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`, (text) =>
        /[}]\r?\n?/.test(text),
      );
    expect(await get('Connection: Upgrade\r\nUpgrade: websocket')).toMatch(/^HTTP\/1.1 501 .*problem\+json/s);
    expect(await get('Connection: close', 'TRACE')).toMatch(/^HTTP\/1.1 501 /);
    const h2c = await get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA');
    expect(h2c).toMatch(/^HTTP\/1.1 200 /);
    expect(h2c).not.toMatch(/h2c|http2/i);
  });

  test('pipelined requests are answered in order', async () => {
    const { port } = await gateway([await upstream(echo)]);
    const one = (path: string, end = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${end}\r\n`;
    const text = await exchangeBytes(port, one('/1') + one('/2') + one('/3', 'Connection: close\r\n'));
    expect([...text.matchAll(/"url":"(\/\d)"/g)].map(([, url]) => url)).toEqual(['/1', '/2', '/3']);
  });
});

describe('an answer on its way down', () => {
  const speaks = (bytes: string) => rawUpstream((socket) => void socket.write(bytes, 'latin1'));

  test('status text, Latin-1 bytes, duplicates and both cookies arrive beside the cookie of the session', async () => {
    const url = await speaks(
      'HTTP/1.1 299 Fein gemacht\r\nSet-Cookie: a=1\r\nX-A: \u00e9\r\nset-cookie: b=2\r\nSet-Cookie: sid=evil\r\n' +
        'X-Session-User: a\r\nSession-Token: t\r\nContent-Length: 2\r\n\r\n\u00e9\u00ff',
    );
    const { port } = await gateway([url]);
    const text = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1.1 299 Fein gemacht\r\n/);
    expect(text).toContain('X-A: \u00e9\r\n');
    expect([...text.matchAll(/set-cookie: (\w+)=/gi)].map(([, name]) => name)).toEqual(['a', 'b', 'sid']);
    expect(text).not.toMatch(/evil|session-user|session-token/i);
    expect(text.endsWith('\r\n\r\n\u00e9\u00ff')).toBe(true);
  });

  test('a 304 with a Content-Length, a 204 and an answer to HEAD have no body, and are no fault', async () => {
    const { url, log } = await gateway([
      await speaks('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n'),
    ]);
    const unchanged = await send(url);
    expect([unchanged.status, unchanged.headers.etag, unchanged.body]).toEqual([304, '"x"', '']);
    expect((await send(url)).status).toBe(304);
    const empty = await gateway([await speaks('HTTP/1.1 204 No Content\r\n\r\n')]);
    expect((await send(empty.url)).status).toBe(204);
    const odd = await gateway([await speaks('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')]);
    const nothing = await send(odd.url);
    expect([nothing.status, nothing.headers['content-length']]).toEqual([204, undefined]);
    const head = await gateway([await speaks('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')]);
    const reply = await send(head.url, { method: 'HEAD' });
    expect([reply.status, reply.headers['content-length'], reply.body]).toEqual([200, '5', '']);
    expect([...log, ...empty.log, ...odd.log, ...head.log]).toEqual([]);
  });

  test('a 103 goes down with its links and nothing else; HTTP/1.0 gets none', async () => {
    const { port } = await gateway([
      await speaks(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Session-User: a\r\nSet-Cookie: sid=1\r\n\r\n' +
          'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      ),
    ]);
    const text = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(
      /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload\r\n\r\nHTTP\/1.1 200 OK\r\n/,
    );
    expect(text).not.toMatch(/session-user|sid=1/i);
    expect(await exchangeBytes(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
  });

  test('trailers go down, those of the session do not', async () => {
    const { url } = await gateway([
      await speaks(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n' +
          'X-Sum: \u00e9\r\nX-Session-User: root\r\nSet-Cookie: sid=1\r\nSession-Token: t\r\n\r\n',
      ),
    ]);
    const reply = await send(url);
    expect([reply.body, reply.trailers]).toEqual(['ok', ['X-Sum', '\u00e9']]);
  });

  test('connections to an upstream are used again', async () => {
    const ports = new Set<number | undefined>();
    const { url } = await gateway([
      await upstream((request, response) => {
        ports.add(request.socket.remotePort);
        echo(request, response);
      }),
    ]);
    for (let i = 0; i < 5; i++) await send(url, i % 2 ? { method: 'POST', body: 'x' } : {});
    expect(ports.size).toBe(1);
  });
});
