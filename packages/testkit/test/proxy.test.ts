import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FaultProxy } from '../src/index.js';

let server: Server;
let proxy: FaultProxy;
let heard = '';
const served = new Set<Socket>();
const clients = new Set<Client>();

/** A client that keeps what it is told, and how its connection ended. */
class Client {
  readonly socket: Socket;
  text = '';
  ended: string | undefined;

  constructor() {
    this.socket = connect(proxy.address.port, proxy.address.host);
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended = error.code;
    });
    this.socket.on('close', () => {
      this.ended ??= 'closed';
    });
    clients.add(this);
  }

  says(text: string): void {
    this.socket.write(text);
  }

  hears(text: string): Promise<void> {
    return vi.waitFor(() => expect(this.text).toBe(text), { timeout: 2_000, interval: 2 });
  }

  ends(how: string): Promise<void> {
    return vi.waitFor(() => expect(this.ended).toBe(how), { timeout: 2_000, interval: 2 });
  }
}

/** A server that answers each chunk in capitals. */
beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    served.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => served.delete(socket));
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes.toString().toUpperCase());
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy = await FaultProxy.open({ host: '127.0.0.1', port: address.port });
});

afterEach(async () => {
  await proxy.close();
  for (const { socket } of clients) socket.destroy();
  clients.clear();
  await new Promise((resolve) => server.close(resolve));
});

it('passes everything on, and counts its connections', async () => {
  const [a, b] = [new Client(), new Client()];
  a.says('one');
  b.says('two');
  await a.hears('ONE');
  await b.hears('TWO');
  expect([proxy.connections, proxy.accepted, proxy.mode]).toEqual([2, 2, 'pass']);
  a.socket.end();
  await vi.waitFor(() => expect([proxy.connections, served.size]).toEqual([1, 1]));
  expect(proxy.accepted).toBe(2);
});

it('refuses: resets what is open, refuses what is new, and listens at the same address again', async () => {
  const a = new Client();
  a.says('one');
  await a.hears('ONE');
  await proxy.refuse();
  await a.ends('ECONNRESET');
  await new Client().ends('ECONNREFUSED');
  await vi.waitFor(() => expect(served.size).toBe(0));
  await proxy.pass();
  const b = new Client();
  b.says('two');
  await b.hears('TWO');
});

describe('silent', () => {
  it('it takes connections and bytes, and neither arrives before it passes again', async () => {
    const a = new Client();
    a.says('one');
    await a.hears('ONE');
    proxy.swallow();
    const b = new Client();
    a.says(' two');
    b.says('three');
    await vi.waitFor(() => expect(proxy.held).toBe(9));
    await pause(30);
    expect([a.text, b.text, heard, proxy.connections, served.size]).toEqual(['ONE', '', 'one', 2, 1]);
    await proxy.pass();
    await a.hears('ONE TWO');
    await b.hears('THREE');
    expect(proxy.held).toBe(0);
  });

  it('what was sent arrives late even though its client has gone', async () => {
    const a = new Client();
    a.says('one');
    await a.hears('ONE');
    proxy.swallow();
    a.says(' late');
    await vi.waitFor(() => expect(proxy.held).toBe(5));
    a.socket.destroy();
    await pause(20);
    await proxy.pass();
    await vi.waitFor(() => expect(heard).toBe('one late'));
    await vi.waitFor(() => expect([proxy.connections, served.size]).toEqual([0, 0]));
  });

  it('its connections can be lost: they stay silent, and new ones do not', async () => {
    const a = new Client();
    a.says('one');
    await a.hears('ONE');
    proxy.swallow();
    a.says(' lost');
    await vi.waitFor(() => expect(proxy.held).toBe(5));
    await proxy.pass({ lost: true });
    a.says(' too');
    const b = new Client();
    b.says('two');
    await b.hears('TWO');
    expect([a.text, a.ended, heard]).toEqual(['ONE', undefined, 'onetwo']);
    a.socket.destroy();
    await vi.waitFor(() => expect([proxy.connections, served.size]).toEqual([1, 1]));
  });

  it('an answer on its way is held back too', async () => {
    const a = new Client();
    proxy.delay(200);
    a.says('one');
    await vi.waitFor(() => expect(heard).toBe('one'), { interval: 5 });
    proxy.swallow();
    await pause(250);
    expect(a.text).toBe('');
    await proxy.pass();
    await a.hears('ONE');
  });
});

describe('slow', () => {
  it('each answer comes later, in order', async () => {
    const a = new Client();
    proxy.delay(50);
    const started = performance.now();
    a.says('one');
    await vi.waitFor(() => expect(heard).toBe('one'), { interval: 5 });
    a.says(' two');
    await a.hears('ONE TWO');
    expect(performance.now() - started).toBeGreaterThanOrEqual(49);
  });

  it('passing again gives out what was held up', async () => {
    const a = new Client();
    proxy.delay(60_000);
    a.says('one');
    await vi.waitFor(() => expect(heard).toBe('one'));
    a.says(' two');
    await vi.waitFor(() => expect(heard).toBe('one two'));
    await pause(20);
    await proxy.pass();
    a.says(' three');
    await a.hears('ONE TWO THREE');
  });
});

it('cuts the answer to one request after so many bytes, and no other', async () => {
  const [a, b] = [new Client(), new Client()];
  const cut = proxy.cutAnswer('mark', 3);
  b.says('other');
  await b.hears('OTHER');
  expect(cut()).toBe(false);
  a.says('the mark');
  await vi.waitFor(() => expect(a.ended).toBeDefined());
  expect([a.text, heard, cut()]).toEqual(['THE', 'otherthe mark', true]);
  b.says(' mark');
  await b.hears('OTHER MARK');
});

it('cuts an answer before its first byte', async () => {
  const a = new Client();
  proxy.cutAnswer('mark', 0);
  a.says('mark');
  await a.ends('ECONNRESET');
  expect([a.text, heard]).toEqual(['', 'mark']);
});

it('holds the answer to one request, and gives it when it passes again', async () => {
  const [a, b] = [new Client(), new Client()];
  const held = proxy.holdAnswer('mark');
  a.says('mark');
  await vi.waitFor(() => expect(heard).toBe('mark'));
  b.says('two');
  await b.hears('TWO');
  expect([a.text, held()]).toEqual(['', true]);
  await proxy.pass();
  await a.hears('MARK');
});

it('a trap that nothing has sprung is gone when it passes again', async () => {
  const a = new Client();
  const held = proxy.holdAnswer('mark');
  await proxy.pass();
  a.says('mark');
  await a.hears('MARK');
  expect(held()).toBe(false);
});

it('a server that has gone resets its clients', async () => {
  const a = new Client();
  a.says('one');
  await a.hears('ONE');
  for (const socket of served) socket.resetAndDestroy();
  await a.ends('ECONNRESET');
});
