import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type AdminApi, type ServeOptions, serveAdmin } from '../src/index.js';
import { ADMIN, basic, type Fixture, fixture } from './fixture.js';

const AUTHORIZATION = `Authorization: ${basic(ADMIN.name, ADMIN.password)}\r\n`;
const HEAD = `Host: localhost\r\n${AUTHORIZATION}Connection: close\r\n`;

async function serve(api: AdminApi, options: Partial<ServeOptions> = {}) {
  const server = await serveAdmin({ api, port: 0, ...options });
  onTestFinished(async () => void (await server.close(0)));
  return server;
}

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  // A connection that is cut may also be reset.
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function answerTo(port: number, bytes: string): Promise<string> {
  const socket = open(port);
  socket.write(bytes);
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk;
  });
  await once(socket, 'close');
  return answer;
}

const COMMON = [
  'cache-control: no-cache',
  "content-security-policy: default-src 'none'; frame-ancestors 'none'",
  'content-type: application/json',
  'cross-origin-resource-policy: same-origin',
  'date: ',
  'referrer-policy: same-origin',
  'x-content-type-options: nosniff',
  'x-frame-options: Deny',
  'x-xss-protection: 1',
];

describe('what is malformed or too large', () => {
  const long = (length: number) => 'x'.repeat(length);
  const cases: [string, string, number, string][] = [
    ['a URL of 9,000 characters', `GET /${long(9_000)} HTTP/1.1\r\n${HEAD}\r\n`, 414, 'unknown'],
    ['a URL of 20,000 characters', `GET /${long(20_000)} HTTP/1.1\r\n${HEAD}\r\n`, 414, 'malformed'],
    [
      'a header of 20,000 characters',
      `GET /v1/ HTTP/1.1\r\n${HEAD}X: ${long(20_000)}\r\n\r\n`,
      431,
      'malformed',
    ],
    ['3,000 headers', `GET /v1/ HTTP/1.1\r\n${HEAD}${'abc: def\r\n'.repeat(3_000)}\r\n`, 431, 'malformed'],
    ['no HTTP', 'rubbish\r\n\r\n', 400, 'malformed'],
    [
      'a chunk of no size',
      `PATCH /v1/users/inet/admin HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'malformed',
    ],
    [
      'a length and chunks',
      `PATCH /v1/ HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'malformed',
    ],
    ['TRACE', `TRACE /v1/ HTTP/1.1\r\n${HEAD}\r\n`, 405, 'unknown'],
    ['CONNECT', `CONNECT example:80 HTTP/1.1\r\n${HEAD}\r\n`, 405, 'malformed'],
    ['an expectation nobody knows', `GET /nowhere HTTP/1.1\r\n${HEAD}Expect: tea\r\n\r\n`, 404, 'unknown'],
    [
      'a body of 100,000 bytes',
      `PATCH /v1/users/inet/admin HTTP/1.1\r\n${HEAD}Content-Length: 100000\r\n\r\n${long(100_000)}`,
      413,
      'users.alter',
    ],
  ];

  test.each(cases)(
    '(%s) is an error like every other, with all headers, and in the access log',
    async (_name, bytes, status, action) => {
      const f = await fixture();
      const { port } = await serve(f.api);
      // A password that is known is not noted again: nothing is written any more when a request is cut off.
      await f.ask('GET', '/v1/');
      const answer = await answerTo(port, bytes);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      for (const line of COMMON) expect(head.toLowerCase()).toContain(`\r\n${line.toLowerCase()}`);
      expect(JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1))).toEqual({
        errors: [{ detail: expect.any(String) }],
      });
      const entry = { action, status, outcome: 'refused', address: '127.0.0.1' };
      expect(f.access).toContainEqual(expect.objectContaining(entry));
      expect(JSON.stringify(f.access)).not.toContain('xxxxxxxxx');
    },
  );
});

describe('a connection', () => {
  test('with rubbish behind a request that waits for its answer is closed, since an error would be taken for that answer', async () => {
    const f = await fixture();
    await f.ask('GET', '/v1/');
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held: AdminApi = {
      ...f.api,
      async fetch(request, peer) {
        await gate;
        return f.api.fetch(request, peer);
      },
    };
    const { port } = await serve(held);
    const bytes = `DELETE /v1/users/inet/watcher HTTP/1.1\r\nHost: localhost\r\n${AUTHORIZATION}\r\nrubbish\r\n\r\n`;
    expect(await answerTo(port, bytes)).toBe('');
    expect(f.access.at(-1)).toMatchObject({ action: 'malformed', status: 400 });
    release();
    await vi.waitFor(() => expect(f.access.at(-1)).toMatchObject({ action: 'users.remove', status: 204 }));
  });

  test('beyond the limit is closed at once, which is logged once a minute, and the others are served', async () => {
    const f = await fixture();
    const { port } = await serve(f.api, { maxConnections: 3, environment: f.environment });
    const kept = Array.from({ length: 3 }, () => open(port));
    await Promise.all(kept.map((socket) => once(socket, 'connect')));
    const closed = Array.from({ length: 5 }, () => open(port));
    await Promise.all(closed.map((socket) => once(socket, 'close')));
    const warnings = f.environment.entries.filter(({ level }) => level === 'warning');
    expect(warnings).toEqual([
      { level: 'warning', message: 'the admin API has 3 connections and closes further ones' },
    ]);
    const [first] = kept;
    first?.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(String(await once(first as Socket, 'data'))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('whose head does not arrive within 10 s is told so and closed', { timeout: 40_000 }, async () => {
    const f = await fixture();
    const { port } = await serve(f.api);
    const started = Date.now();
    const answer = await answerTo(port, `GET /v1/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: `);
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(Date.now() - started).toBeGreaterThan(9_000);
    expect(Date.now() - started).toBeLessThan(30_000);
    expect(f.access).toMatchObject([{ action: 'malformed', status: 408 }]);
  });
});

describe('the access log', () => {
  test('masks whatever is called like a secret, wherever it stands', async () => {
    const f: Fixture = await fixture();
    await f.ask('GET', '/v1/auth?max-age=60');
    const secrets = ['p4ss-', 'tok-'];
    const data = { id: 'bob', type: 'inet', attributes: { password: 'p4ss-word', account: 'basic' } };
    await f.ask('POST', '/v1/users/inet', { body: JSON.stringify({ data }) });
    await f.ask('GET', '/v1/sessions?token=tok-1&password=p4ss-2&page[size]=1');
    const { id, token } = await f.start();
    // What the type of a resource is said to be does not count, and is let through.
    await f.ask('PATCH', `/v1/sessions/${id}`, { body: JSON.stringify({ data: { type: `the ${token}` } }) });
    secrets.push(token.slice(-43));
    const text = JSON.stringify(f.access);
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(f.access.map(({ action, status }) => [action, status])).toEqual([
      ['auth.token', 200],
      ['users.add', 204],
      ['sessions.list', 200],
      ['sessions.alter', 204],
    ]);
    expect(f.access.at(-1)?.body).toEqual({
      data: { type: expect.stringMatching(/^the s[0-9a-z]{26}\.\*{4}$/) },
    });
    // Each entry is one line of JSON.
    for (const entry of f.access) expect(JSON.parse(JSON.stringify(entry))).toMatchObject({ actor: 'admin' });
  });
});
