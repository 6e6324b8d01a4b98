import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { gateway, send } from './harness.js';

const SWITCH = { Connection: 'Upgrade', Upgrade: 'websocket' };
/** More than the buffers of the system hold. */
const MUCH = 20_000_000;

/** A server of WebSockets, and of a body that is large. */
async function upstream() {
  const opened: Writable[] = [];
  const bodies: Writable[] = [];
  const server = http.createServer((request, response) => {
    if (request.url === '/big') bodies.push(response);
    response.end(request.url === '/big' ? Buffer.alloc(MUCH) : 'ok');
  });
  server.on('upgrade', (_request, socket) => {
    opened.push(socket);
    socket.on('error', () => {});
    socket.on('end', () => socket.end()).resume();
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of opened) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { target: { name: 'up', url: `http://127.0.0.1:${port}`, steer: false }, opened, bodies };
}

/** The client's end of a WebSocket. */
async function open(url: string): Promise<Socket> {
  const request = http.get(url, { headers: SWITCH, agent: false });
  const [, socket] = (await once(request, 'upgrade')) as [unknown, Socket];
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Nothing more of it goes out: whoever reads it has stopped. */
async function stands(of: () => Writable | undefined): Promise<void> {
  let before = 0;
  await vi.waitFor(
    () => {
      const left = of()?.writableLength ?? 0;
      const stood = left > 0 && left === before;
      before = left;
      expect(stood).toBe(true);
    },
    { timeout: 10_000, interval: 100 },
  );
}

test('a WebSocket whose reader has lagged goes on while a slow client holds back the connection that has come in its place', {
  timeout: 20_000,
}, async () => {
  const { target, opened, bodies } = await upstream();
  const { port, url } = await gateway([target], { connections: 1, webSockets: true });
  const socket = await open(url);
  const slow = net.connect(port, '127.0.0.1').pause();
  onTestFinished(() => void slow.destroy());
  slow.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
  opened[0]?.write(Buffer.alloc(MUCH));
  await Promise.all([stands(() => bodies[0]), stands(() => opened[0])]);

  let came = 0;
  socket.on('data', (chunk: Buffer) => {
    came += chunk.length;
  });
  await expect.poll(() => came, { timeout: 5_000 }).toBe(MUCH);
});

test('a WebSocket is one of the connections to its server until it is closed, and takes no place from requests', async () => {
  const { target, opened } = await upstream();
  const { url, router } = await gateway([target], { connections: 1, webSockets: true });
  const status = () => router.status?.()[0];
  const first = await open(url);
  await open(url);
  expect(status()).toMatchObject({ connections: 2, totalConnections: 2 });
  expect((await send(url)).body).toBe('ok');
  expect(status()).toMatchObject({ connections: 3, totalConnections: 3 });
  first.destroy();
  await expect.poll(() => status()?.connections).toBe(2);
  opened[1]?.destroy();
  await expect.poll(() => status()?.connections).toBe(1);
});
