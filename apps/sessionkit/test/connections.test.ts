import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Connections } from '../src/connections.js';

const BIG = Buffer.alloc(24 * 1024 * 1024, 'x');
const open: (Server | Socket)[] = [];

afterEach(() => {
  for (const one of open.splice(0)) 'destroy' in one ? one.destroy() : one.closeAllConnections();
});

/** A server that answers `/big` with a lot, `/slow` after a while, all else with two bytes. */
async function start(own: boolean) {
  const bytes: number[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    connections?.begin(request, response, (count) => bytes.push(count));
    if (request.url === '/big') response.end(BIG);
    else setTimeout(() => response.end('ok'), request.url === '/slow' ? 200 : 0);
  });
  const connections = own ? new Connections(server) : undefined;
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  open.push(socket);
  return { server, connections, socket, bytes };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** What comes until the connection is closed. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
}

describe('connections', () => {
  it('an answer that was ended, but that its client has not read, is no idle connection', async () => {
    const lengths: number[] = [];
    for (const own of [true, false]) {
      const { server, connections, socket } = await start(own);
      socket.write(get('/big'));
      await once(socket, 'readable');
      server.close();
      connections?.drain();
      await delay(100);
      lengths.push((await readAll(socket).catch(() => '')).length);
    }
    const [own = 0, nodes = 0] = lengths;
    expect(own).toBeGreaterThan(BIG.length);
    // The reason why there is a class for it.
    expect(nodes).toBeLessThan(BIG.length);
  });

  it('of a drained server close when their last request is answered, which says so', async () => {
    const { server, connections, socket } = await start(true);
    socket.write(get('/slow'));
    await once(server, 'request');
    const closed = once(server, 'close');
    server.close();
    connections?.drain();
    expect(await readAll(socket)).toMatch(/Connection: close\r\n.*ok$/s);
    await closed;
  });

  it('of a drained server close at once when nothing is under way, but not in the middle of a head', async () => {
    const { server, connections, socket } = await start(true);
    socket.write(get('/'));
    await once(socket, 'data');
    const half = connect((server.address() as AddressInfo).port, '127.0.0.1');
    open.push(half);
    half.write('GET / HTTP/1.1\r\n');
    await delay(50);
    server.close();
    connections?.drain();
    await once(socket, 'close');
    half.write('Host: x\r\n\r\n');
    expect(await readAll(half)).toMatch(/^HTTP\/1\.1 200 OK.*Connection: close.*ok$/s);
  });

  it('say whether what is written now would be read as something else', async () => {
    const { server, connections, socket } = await start(true);
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const awaited = () => connections?.isAwaited(accepted);
    expect(awaited()).toBe(false);
    socket.write('POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na');
    await once(server, 'request');
    // Its body may be what is wrong.
    expect(awaited()).toBe(false);
    socket.write('b');
    await expect.poll(awaited, { interval: 2 }).toBe(true);
    await once(socket, 'data');
    await expect.poll(awaited).toBe(false);
    socket.write(get('/big') + get('/slow'));
    await once(socket, 'readable');
    expect(awaited()).toBe(true);
  });

  it('tell the bytes of each answer, also of pipelined ones, and how many are cut', async () => {
    const { connections, socket, bytes } = await start(true);
    socket.write(get('/slow') + get('/') + get('/slow'));
    let text = '';
    socket.on('data', (data) => (text += data));
    while (bytes.length < 3) await delay(10);
    await expect.poll(() => text.length).toBe(bytes.reduce((sum, count) => sum + count));
    expect(new Set(bytes).size).toBe(1);

    socket.write(get('/slow') + get('/slow'));
    await delay(50);
    expect(connections?.busy).toBe(1);
    connections?.cut();
    await once(socket, 'close');
    await delay(10);
    expect(connections?.busy).toBe(0);
    expect(bytes.slice(3)).toEqual([0, 0]);
  });
});
