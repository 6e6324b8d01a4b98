import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SteppedNetwork } from '../src/stepped-network.js';

/** Answers each byte with itself, `LATE` ms later where it is asked to. */
const LATE = 120;
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on('data', async (bytes) => {
    if (bytes.includes('slow')) await pause(LATE);
    socket.write(bytes);
  });
});
let network: SteppedNetwork;
let one: Socket;
let two: Socket;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') expect.fail();
  const target = { host: '127.0.0.1', port: address.port };
  network = await SteppedNetwork.open([target, target]);
  [one, two] = network.addresses.map((at) => dial(at.port, at.host)) as [Socket, Socket];
  await Promise.all([ask(one, 'hello'), ask(two, 'hello')]);
});
afterAll(async () => {
  await network.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function ask(socket: Socket, text: string): Promise<void> {
  let answered = '';
  const done = new Promise<void>((resolve) => {
    socket.on('data', function more(bytes) {
      answered += bytes;
      if (answered.length < text.length) return;
      socket.off('data', more);
      resolve();
    });
  });
  socket.write(text);
  await done;
}

it('what is asked after an answer is a round trip of its own', async () => {
  expect(await network.count(async () => {})).toBe(0);
  expect(await network.count(() => ask(one, 'a'))).toBe(1);
  const three = async () => {
    await ask(one, 'a');
    await ask(two, 'b');
    await ask(one, 'c');
  };
  expect(await network.count(three)).toBe(3);
});

it('what is asked without waiting is one round trip, on however many connections', async () => {
  expect(await network.count(() => Promise.all([ask(one, 'a'), ask(two, 'b')]))).toBe(1);
  const chains = () => Promise.all([one, two].map((socket) => ask(socket, 'a').then(() => ask(socket, 'b'))));
  expect(await network.count(chains)).toBe(2);
});

it('a server that takes its time makes one round trip no two', async () => {
  const began = performance.now();
  expect(await network.count(() => ask(one, 'slow'))).toBe(1);
  expect(performance.now() - began).toBeGreaterThan(LATE - 5);
});

it('passes everything on at once while it does not count', async () => {
  await network.count(() => ask(one, 'a'));
  await ask(one, 'b');
  expect(await network.count(() => ask(two, 'c'))).toBe(1);
});

it('tells how many bytes were answered to what it counted last', async () => {
  await network.count(() => Promise.all([ask(one, 'four'), ask(two, 'seventeen letters')]));
  expect(network.answered).toBe(21);
  await ask(one, 'uncounted');
  expect(network.answered).toBe(21);
  await network.count(async () => {});
  expect(network.answered).toBe(0);
});

it('a task that fails fails its count, and the next one begins anew', async () => {
  await expect(network.count(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  expect(await network.count(() => ask(one, 'a'))).toBe(1);
});
