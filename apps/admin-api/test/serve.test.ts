import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type AdminApi, type ServeOptions, serveAdmin } from '../src/index.js';
import { ADMIN, basic, type Fixture, fixture, patch } from './fixture.js';

const HEADERS = { authorization: basic(ADMIN.name, ADMIN.password) };

async function serve(api: AdminApi, options: Partial<ServeOptions> = {}) {
  const server = await serveAdmin({ api, port: 0, ...options });
  onTestFinished(async () => void (await server.close(0)));
  return server;
}

/** What comes back for bytes that no HTTP client would send. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  let answer = '';
  try {
    for await (const chunk of socket.setEncoding('latin1')) answer += chunk;
  } catch (error) {
    // A connection that is cut may also be reset.
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  }
  return answer;
}

/** An API that answers only when it is let. */
function held(f: Fixture) {
  let release = () => {};
  let arrived = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let done = () => {};
  const answered = new Promise<void>((resolve) => {
    done = resolve;
  });
  const api: AdminApi = {
    async fetch(request, peer) {
      arrived();
      await gate;
      const response = await f.api.fetch(request, peer);
      done();
      return response;
    },
  };
  return { api, release, asked, answered };
}

describe('the server', () => {
  test('tells its real port and serves the whole life of a session', async () => {
    const f = await fixture();
    const { id } = await f.start({ user: 'alice' });
    const server = await serve(f.api);
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${server.url}${path}`, { headers: HEADERS, ...init });

    const list = (await (await ask('/v1/sessions')).json()) as {
      data: { id: string; links: { self: string } }[];
    };
    expect(list.data.map((session) => session.id)).toEqual([id]);
    const one = await fetch(list.data[0]?.links.self ?? '', { headers: HEADERS });
    expect(one.status).toBe(200);
    const altered = await ask(`/v1/sessions/${id}`, { method: 'PATCH', body: patch({ log_info: true }) });
    expect([altered.status, await altered.text()]).toEqual([204, '']);
    expect((await ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(`/v1/sessions/${id}`)).status).toBe(404);
    expect(f.access.every((entry) => entry.address === '127.0.0.1')).toBe(true);
  });

  test('answers a body that is too large instead of cutting the connection', async () => {
    const f = await fixture();
    const { id } = await f.start();
    const server = await serve(f.api);
    const body = 'x'.repeat(200_000);
    const whole = await fetch(`${server.url}/v1/sessions/${id}`, { method: 'PATCH', headers: HEADERS, body });
    expect(whole.status).toBe(413);
    const streamed = await fetch(`${server.url}/v1/sessions/${id}`, {
      method: 'PATCH',
      headers: HEADERS,
      body: new Blob([body]).stream(),
      duplex: 'half',
    });
    expect(streamed.status).toBe(413);
    expect((await fetch(`${server.url}/v1/`, { headers: HEADERS })).status).toBe(200);
  });

  test('stops asking the store when the client goes in the middle of the list', async () => {
    const f = await fixture();
    for (let i = 0; i < 3_000; i++) await f.start();
    let pages = 0;
    const list = f.manager.list.bind(f.manager);
    f.manager.list = async (query) => {
      pages++;
      // Slower than the client can go away.
      await new Promise((resolve) => setTimeout(resolve, 5));
      return list(query);
    };
    const server = await serve(f.api);
    const ask = httpRequest(`${server.url}/v1/sessions`, { headers: HEADERS });
    ask.end();
    const [response] = (await once(ask, 'response')) as [IncomingMessage];
    await once(response, 'data');
    response.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const then = pages;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(pages).toBe(then);
    expect(pages).toBeLessThan(6);
  });

  test('cuts the connection when the store fails in the middle of the list', async () => {
    const f = await fixture();
    for (let i = 0; i < 600; i++) await f.start();
    const list = f.manager.list.bind(f.manager);
    f.manager.list = (query) =>
      query?.after === undefined ? list(query) : Promise.reject(new Error('redis://10.0.0.5'));
    const server = await serve(f.api);
    const request = `GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${HEADERS.authorization}\r\n\r\n`;
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => void printed.mockRestore());
    const answer = await raw(server.port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toContain('"type": "sessions"');
    expect(answer).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(answer).not.toContain('redis:');
    expect(answer).not.toContain('cannot be finished');
    await expect((await fetch(`${server.url}/v1/sessions`, { headers: HEADERS })).text()).rejects.toThrow();
    // It is in our log; the HTTP library would print what it is given, and try to send it.
    expect(printed).not.toHaveBeenCalled();
  });

  test.each([
    ['no HTTP', 'rubbish\r\n\r\n', 400],
    [
      'two lengths',
      'DELETE /v1/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
    ],
    [
      'a header that is too large',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ['a host that is malformed', 'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n', 400],
    ['no host, as HTTP/1.0 allows', 'GET / HTTP/1.0\r\n\r\n', 400],
    ['a backslash in its path', 'GET /\\evil HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    [
      'an absolute URL of another host',
      'GET http://evil.example/v1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      421,
    ],
  ])('answers what is malformed (%s) in the form of every error', async (_name, bytes, status) => {
    const f = await fixture();
    const server = await serve(f.api);
    const answer = await raw(server.port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))).toEqual({
      errors: [{ detail: expect.any(String) }],
    });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test('takes the address that a connection came to for a host of its own', async () => {
    const f = await fixture();
    const server = await serve(f.api, { address: '127.0.0.2' });
    expect((await fetch(`http://127.0.0.2:${server.port}/v1/`, { headers: HEADERS })).status).toBe(200);
  });
});

describe('listening', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'admin.example'])(
    'on %s is refused unless told to, with the fix',
    async (address) => {
      const { api } = await fixture();
      await expect(serveAdmin({ api, address, port: 0 })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          new RegExp(`^admin\\.listen: ${address} is beyond loopback.*admin\\.insecure: true`),
        ),
      });
    },
  );

  test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('on %s needs no permission', async (address) => {
    const { api } = await fixture();
    const server = await serve(api, { address });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test('beyond loopback is done when told to, and the address is then a host of its own', async () => {
    const { api } = await fixture();
    const server = await serve(api, { address: '0.0.0.0', insecure: true });
    expect(server.address).toBe('0.0.0.0');
    expect((await fetch(`http://127.0.0.1:${server.port}/v1/`, { headers: HEADERS })).status).toBe(200);
  });

  test('on a port that is taken is an error that names it', async () => {
    const { api } = await fixture();
    const { port } = await serve(api);
    await expect(serveAdmin({ api, port })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `admin.listen: cannot listen on 127.0.0.1:${port}: the port is taken. Choose another address or port.`,
    });
  });
});

describe('closing', () => {
  test('waits for the answers under way and takes no more connections', async () => {
    const f = await fixture();
    const { api, release, asked } = held(f);
    const server = await serve(api);
    const answer = fetch(`${server.url}/v1/`, { headers: HEADERS });
    await asked;
    const closed = server.close();
    await expect(fetch(`${server.url}/v1/`, { headers: HEADERS })).rejects.toThrow();
    release();
    expect((await answer).status).toBe(200);
    expect(await closed).toBe(true);
  });

  test('cuts what takes too long, and says so', async () => {
    const f = await fixture();
    const { api, release, asked, answered } = held(f);
    const server = await serve(api);
    const answer = fetch(`${server.url}/v1/`, { headers: HEADERS });
    const cut = expect(answer).rejects.toThrow();
    await asked;
    expect(await server.close(20)).toBe(false);
    await cut;
    release();
    await answered;
  });

  test('does not wait for idle connections', async () => {
    const f = await fixture();
    const server = await serve(f.api);
    await (await fetch(`${server.url}/v1/`, { headers: HEADERS })).text();
    expect(await server.close(2_000)).toBe(true);
  });

  test('does not wait for a connection that has never said anything', async () => {
    const { api } = await fixture();
    const server = await serve(api);
    const silent = connect(server.port, '127.0.0.1').resume();
    await once(silent, 'connect');
    // Taken by then: it was before this one.
    await (await fetch(`${server.url}/v1/`, { headers: HEADERS })).text();
    const closed = once(silent, 'close');
    await server.close(20_000);
    await closed;
  }, 5_000);

  test('cuts no answer when there is none under way', async () => {
    const { api } = await fixture();
    const server = await serve(api);
    const begun = connect(server.port, '127.0.0.1').resume();
    begun.write('GET /v1/');
    await (await fetch(`${server.url}/v1/`, { headers: HEADERS })).text();
    expect(await server.close(0)).toBe(true);
  });
});
