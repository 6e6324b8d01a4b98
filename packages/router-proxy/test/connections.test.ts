import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { SessionId } from '@sessionkit/session-core';
import { expect, onTestFinished, test, vi } from 'vitest';
import { gateway, send } from './harness.js';

/** An upstream that counts what really goes over its connections. */
async function counting(answer: (response: ServerResponse, url: string) => void) {
  const sockets: Socket[] = [];
  const server = http.createServer((request, response) => {
    request.resume();
    request.once('end', () => answer(response, request.url ?? ''));
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const bytes = () => ({
    readBytes: sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0),
    writtenBytes: sockets.reduce((sum, socket) => sum + socket.bytesRead, 0),
  });
  return { target: { name: 'server1', url: `http://127.0.0.1:${port}`, steer: false }, sockets, bytes };
}

async function started(target: { name: string; url: string; steer: boolean }) {
  const made = await gateway([target]);
  const first = await send(made.url);
  const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const id = cookie.split('=')[1]?.split('.')[0] as SessionId;
  const shown = () => made.router.holdings?.holding(id);
  return { ...made, cookie, id, shown };
}

test('a connection is shown with the bytes and operations that the session caused, as the server counts them', async () => {
  const { target, bytes } = await counting((response, url) => {
    response.writeHead(200, { 'content-length': url === '/big' ? 300_000 : 2 });
    response.end(url === '/big' ? Buffer.alloc(300_000) : 'ok');
  });
  const { url, cookie, shown, router, id } = await started(target);
  await send(`${url}/big`, { headers: { cookie } });
  const body = Buffer.alloc(100_000, 'a');
  await send(`${url}/up`, { method: 'POST', headers: { cookie }, body });
  await expect
    .poll(() => shown()?.connections.map(({ statistics }) => statistics.readBytes))
    .toEqual([bytes().readBytes]);
  const [connection] = shown()?.connections ?? [];
  expect(connection).toMatchObject({ server: 'server1', cipher: '', statistics: bytes() });
  expect(connection?.connectionId).toBeGreaterThan(0);
  const { reads = 0, writes = 0 } = connection?.statistics ?? {};
  // A head each, and the chunks of the bodies.
  expect(reads).toBeGreaterThanOrEqual(3 + Math.floor(300_000 / 65_536));
  expect(writes).toBeGreaterThanOrEqual(4);
  expect(shown()?.ioActivity).toBe(reads + writes);
  expect([...(router.holdings?.sessions() ?? [])]).toEqual([id]);
});

test('operations are counted one by one: a head, and each piece of a body, in either direction', async () => {
  const { target } = await counting((response) => void response.end('ok'));
  const { url, cookie, shown } = await started(target);
  const counts = () => {
    const { reads, writes } = shown()?.connections[0]?.statistics ?? {};
    return [writes, reads];
  };
  await expect.poll(counts).toEqual([1, 2]);
  for (let i = 0; i < 3; i++) await send(url, { headers: { cookie } });
  await expect.poll(counts).toEqual([4, 8]);
  await send(url, { method: 'POST', headers: { cookie }, body: 'one piece' });
  await expect.poll(counts).toEqual([6, 10]);
});

test('what goes over a connection is counted while the exchange is under way', async () => {
  const streams: ServerResponse[] = [];
  const { target, bytes } = await counting((response, url) => {
    if (url !== '/stream') return void response.end('ok');
    streams.push(response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
  });
  const { url, cookie, shown } = await started(target);
  const statistics = () => shown()?.connections[0]?.statistics;
  const client = http.get(`${url}/stream`, { headers: { cookie }, agent: false }, (answer) =>
    answer.resume(),
  );
  client.on('error', () => {});
  await expect.poll(() => streams.length).toBe(1);
  const before = bytes();
  await expect.poll(statistics).toMatchObject(before);
  for (let i = 0; i < 3; i++) streams[0]?.write('data: more\n\n');
  await expect.poll(statistics).toMatchObject(bytes());
  expect(bytes().readBytes).toBeGreaterThan(before.readBytes + 3 * 'data: more\n\n'.length);
  client.destroy();
});

test('requests of one session at a time have connections of their own; another session over the same connection has counts of its own', async () => {
  const held: ServerResponse[] = [];
  const { target } = await counting((response, url) => {
    if (url === '/held') held.push(response);
    else response.end('ok');
  });
  const { url, cookie, shown, router } = await started(target);
  const both = [send(`${url}/held`, { headers: { cookie } }), send(`${url}/held`, { headers: { cookie } })];
  await expect.poll(() => held.length).toBe(2);
  const ids = shown()?.connections.map(({ connectionId }) => connectionId) ?? [];
  expect(new Set(ids).size).toBe(2);
  for (const response of held) response.end('late');
  await Promise.all(both);

  const other = await send(url);
  const otherId = other.headers['set-cookie']?.[0]?.split('=')[1]?.split('.')[0] as SessionId;
  const [line] = router.holdings?.holding(otherId)?.connections ?? [];
  expect(ids).toContain(line?.connectionId);
  expect(line?.statistics).toMatchObject({ writes: 1 });
});

test('a client that does not read holds the server back, which is counted, with what waits for it', {
  timeout: 20_000,
}, async () => {
  const { target } = await counting((response, url) =>
    response.end(url === '/big' ? Buffer.alloc(30_000_000) : 'ok'),
  );
  const { port, cookie, shown } = await started(target);
  const counts = () => shown()?.connections[0]?.statistics;
  const socket = net.connect(port, '127.0.0.1').pause();
  onTestFinished(() => void socket.destroy());
  socket.write(`GET /big HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`);
  // The buffers of the system fill first.
  let before = -1;
  await vi.waitFor(
    () => {
      const { highWaterEvents = 0, lowWaterEvents = 0 } = counts() ?? {};
      const stands = highWaterEvents === before;
      before = highWaterEvents;
      expect(stands && highWaterEvents === lowWaterEvents + 1).toBe(true);
    },
    { timeout: 10_000, interval: 200 },
  );
  expect(shown()?.buffered).toBeGreaterThan(0);
  expect(counts()?.bufferedWrites).toBe(before);
  socket.resume();
  await vi.waitFor(() => expect(counts()?.lowWaterEvents).toBe(counts()?.highWaterEvents), 5_000);
  expect(counts()?.highWaterEvents).toBeGreaterThan(before);
});

test('a connection that is closed, and one that the session has not used for 30 s, is the session’s no more', async () => {
  const { target, sockets } = await counting((response) => void response.end('ok'));
  const { url, cookie, shown, router } = await started(target);
  expect(shown()?.connections).toHaveLength(1);
  for (const socket of sockets) socket.destroy();
  await expect.poll(shown).toBeUndefined();

  await send(url, { headers: { cookie } });
  expect(shown()?.connections).toHaveLength(1);
  const later = Date.now() + 30_001;
  vi.spyOn(Date, 'now').mockReturnValue(later);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(shown()).toBeUndefined();
  expect([...(router.holdings?.sessions() ?? [])]).toEqual([]);
});
