import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import pg from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { Watcher } from '../src/watcher.js';

/** How long a connection may take to answer, and the pause before the next one. */
const TRY = 2_250;

afterEach(() => {
  vi.useRealTimers();
});

it('a server that never answers is left with one connection at a time: each that was given up is closed', async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await once(server, 'listening');
  const opened: Socket[] = [];
  const stream = () => {
    const socket = new Socket();
    opened.push(socket);
    return socket;
  };
  const { port } = server.address() as AddressInfo;
  const pool = new pg.Pool({ host: '127.0.0.1', port, stream });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const watcher = new Watcher(pool, 'changes', () => undefined);
  const listening = watcher.listen(() => undefined);
  const open = () => opened.filter((socket) => !socket.destroyed);
  for (let n = 1; n <= 3; n++) {
    expect(opened).toHaveLength(n);
    expect(open()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(TRY);
  }
  const stopped = (await listening)();
  await vi.advanceTimersByTimeAsync(TRY);
  await stopped;
  expect(open()).toEqual([]);
  await pool.end();
  server.close();
});
