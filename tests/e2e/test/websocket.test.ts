import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type App, config, OPERATOR, startApp, until } from './app.js';
import { send } from './client.js';

/** What the upstream was told of each socket. */
const told: { url: string; id: unknown; user: unknown; cookie: unknown; authorization: unknown }[] = [];
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  handleProtocols: () => 'chat',
});
const server = createServer((_request, response) => void response.end('hello'));
let app: App;

beforeAll(async () => {
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nX-Why: none\r\n\r\nno!');
      return;
    }
    const { headers, url = '' } = request;
    told.push({
      url,
      id: headers['x-session-id'],
      user: headers['x-session-user'],
      cookie: headers.cookie,
      authorization: headers.authorization,
    });
    sockets.handleUpgrade(request, socket, head, (opened) => {
      if (url === '/flood') opened.send(Buffer.alloc(20_000_000, 'a'));
      opened.on('message', (data, binary) => opened.send(data, { binary }));
    });
  });
  sockets.on('headers', (headers) =>
    headers.push('X-Session-User: mallory', 'Set-Cookie: sxapi-sess=stolen'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  app = await startApp(config(`http://127.0.0.1:${port}`));
  // The first one has its password hashed, which takes its time.
  await send(`${app.admin}/v1/`, { headers: OPERATOR });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function session(): Promise<{ cookie: string; id: string }> {
  const { headers } = await send(app.public);
  const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  return { cookie, id: cookie.split('=')[1]?.split('.')[0] ?? '' };
}

async function open(path: string, headers: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(`${app.public.replace('http', 'ws')}${path}`, 'chat', { headers });
  await once(socket, 'open');
  return socket;
}

const closeOf = async (socket: WebSocket) => {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { code, reason: reason.toString() };
};

const end = (id: string) => send(`${app.admin}/v1/sessions/${id}`, { method: 'DELETE', headers: OPERATOR });

describe('a WebSocket through the gateway', () => {
  it('carries messages of all sizes both ways, with subprotocol and compression, and the session in its head', async () => {
    const { cookie, id } = await session();
    const socket = await open('/chat', { cookie: `${cookie}; theme=dark` });
    expect(socket.protocol).toBe('chat');
    expect(socket.extensions).toContain('permessage-deflate');
    for (const message of ['hé', 'x'.repeat(200), 'y'.repeat(70_000), '']) {
      socket.send(message);
      const [data] = await once(socket, 'message');
      expect(String(data)).toBe(message);
    }
    const bytes = Buffer.from([0, 255, 136, 8]);
    socket.send(bytes);
    expect((await once(socket, 'message'))[0]).toEqual(bytes);
    expect(told.at(-1)).toEqual({
      url: '/chat',
      id,
      user: undefined,
      cookie: 'theme=dark',
      authorization: undefined,
    });
    socket.close(1000, 'done');
    expect(await closeOf(socket)).toEqual({ code: 1000, reason: 'done' });
    const line = await app.line('/chat');
    expect(line).toMatchObject({ status: 101, session: id, server: 'up' });
    expect(line).not.toHaveProperty('aborted');
  });

  it('lets nothing through that steers or hands out a credential with the 101', async () => {
    const { cookie } = await session();
    const socket = new WebSocket(`${app.public.replace('http', 'ws')}/head`, { headers: { cookie } });
    const [response] = await once(socket, 'upgrade');
    expect(response.headers).not.toHaveProperty('x-session-user');
    expect(response.headers).not.toHaveProperty('set-cookie');
    socket.terminate();
  });

  it('is closed with 4401 and the cause when an operator ends its session, after the frame under way', async () => {
    const { cookie, id } = await session();
    const [quiet, other] = [
      await open('/quiet', { cookie }),
      await open('/other', { cookie: (await session()).cookie }),
    ];
    const closed = closeOf(quiet);
    const begun = performance.now();
    expect((await end(id)).status).toBe(204);
    expect(await closed).toEqual({ code: 4401, reason: 'killed' });
    expect(performance.now() - begun).toBeLessThan(2_000);
    other.send('still here');
    expect(String((await once(other, 'message'))[0])).toBe('still here');
    other.terminate();
  });

  it('is closed when the end comes that an operator has set', async () => {
    const { cookie } = await session();
    const socket = await open('/ending', { cookie });
    const closed = closeOf(socket);
    const id = cookie.split('=')[1]?.split('.')[0] ?? '';
    await send(`${app.admin}/v1/sessions/${id}?ttl=1`, { method: 'DELETE', headers: OPERATOR });
    expect(await closed).toEqual({ code: 4401, reason: 'killed' });
  });

  it('is opened without a session where none is required, and is nobody’s then', async () => {
    const socket = await open('/anonymous', {});
    expect(told.at(-1)).toMatchObject({ url: '/anonymous', id: '-' });
    socket.terminate();
  });

  it('is refused to pages of other sites, and as the server refuses it', async () => {
    const { cookie } = await session();
    const refusal = async (path: string, headers: Record<string, string>) => {
      const socket = new WebSocket(`${app.public.replace('http', 'ws')}${path}`, { headers });
      const [, response] = await once(socket, 'unexpected-response');
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      return {
        status: response.statusCode,
        headers: response.headers,
        body: Buffer.concat(chunks).toString(),
      };
    };
    const foreign = await refusal('/foreign', { cookie, origin: 'http://evil.example' });
    expect(foreign.status).toBe(403);
    expect(JSON.parse(foreign.body)).toMatchObject({ code: 'cross_site' });
    expect(told.map(({ url }) => url)).not.toContain('/foreign');
    expect(await refusal('/refused', { cookie })).toMatchObject({
      status: 403,
      body: 'no!',
      headers: { 'x-why': 'none' },
    });
  });

  it('holds a server back whose client does not read, and is closed when its session ends all the same', async () => {
    const { cookie, id } = await session();
    const socket = await open('/flood', { cookie });
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await end(id);
    socket.resume();
    const [code] = (await once(socket, 'close')) as [number];
    // In the middle of a frame nothing can be said: the connection is cut.
    expect([4401, 1006]).toContain(code);
  });

  it('counts as use while its client says something', async () => {
    const { cookie, id } = await session();
    const idle = async () => {
      const { body } = await send(`${app.admin}/v1/sessions/${id}`, { headers: OPERATOR });
      return (JSON.parse(body) as { data: { attributes: { idle: number } } }).data.attributes.idle;
    };
    const socket = await open('/idle', { cookie });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await idle()).toBeGreaterThan(1);
    socket.send('I am here');
    await once(socket, 'message');
    expect(await idle()).toBeLessThan(1);
    socket.terminate();
  });

  it('that is no WebSocket is read like any other request, body and all', async () => {
    const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    const answer = await send(`${app.public}/h2c`, {
      method: 'POST',
      headers: offer,
      body: 'x'.repeat(100_000),
    });
    expect(answer).toMatchObject({ status: 200, body: 'hello' });
  });
});

it('SIGTERM says 1001 to every socket, and the process ends', async () => {
  const { cookie } = await session();
  const socket = await open('/stop', { cookie });
  const closed = closeOf(socket);
  const code = await app.stop();
  expect(await closed).toEqual({ code: 1001, reason: 'the gateway stops' });
  expect(code).toBe(0);
  await until('the end', () => app.stderr.includes('stopped'));
});
