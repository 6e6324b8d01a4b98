import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Tunnel } from '../src/tunnel.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A client that takes what is written to it when it is told to. */
function slowClient() {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      waiting.push(() => {
        taken.push(String(chunk));
        done();
      });
    },
  });
  return { stream, taken, take: () => waiting.shift()?.() };
}

/** A server that has said something and closed its side. */
async function closedServer(client: Duplex, said: string): Promise<Tunnel> {
  const server = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(), allowHalfOpen: false });
  const tunnel = new Tunnel({ client, head: Buffer.alloc(0), server, use: undefined, onClientData() {} });
  const closed = new Promise((resolve) => server.once('close', resolve));
  server.push(said);
  server.push(null);
  await closed;
  return tunnel;
}

test('what the server says last comes whole to a client that is slow to take it', async () => {
  const { stream, taken, take } = slowClient();
  const tunnel = await closedServer(stream, 'the last');
  vi.advanceTimersByTime(29_999);
  expect(stream.destroyed).toBe(false);
  const finished = new Promise((resolve) => stream.once('finish', resolve));
  take();
  await finished;
  expect(taken).toEqual(['the last']);
  vi.advanceTimersByTime(999);
  expect(stream.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  await tunnel.over;
  expect(vi.getTimerCount()).toBe(0);
});

test('a client that takes nothing of it is not waited for without end', async () => {
  const { stream } = slowClient();
  const tunnel = await closedServer(stream, 'the last');
  vi.advanceTimersByTime(30_000);
  await tunnel.over;
  expect(stream.destroyed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('a client that has taken it and closes its side ends both', async () => {
  const { stream, take } = slowClient();
  const tunnel = await closedServer(stream, 'the last');
  stream.push('and what it says now is dropped');
  stream.push(null);
  take();
  await tunnel.over;
  expect(vi.getTimerCount()).toBe(0);
});

test('the end of the session leaves a server that has gone without a close frame no time', async () => {
  const { stream } = slowClient();
  const tunnel = await closedServer(stream, 'the last');
  tunnel.end(4_401, 'killed');
  await tunnel.over;
  expect(vi.getTimerCount()).toBe(0);
});
