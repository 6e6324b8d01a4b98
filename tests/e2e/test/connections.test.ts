// The connections of sessions to servers, as a third process shows them: held against what the server itself counts.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, get, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { repository } from './app.js';
import { cookieOf, idOf, send } from './client.js';
import { type Fleet, startFleet } from './fleet.js';
import { SHARED_STORES, type SharedStore } from './shared-store.js';

const fixtures = join(repository, 'apps', 'admin-api', 'test', 'fixtures', 'tls');
const SESSION = 'auto_create: true, limits: false, transport: { type: cookie }';
const FLOOD = 40_000_000;
const PATIENCE = { timeout: 20_000, interval: 50 };

/** A server, and what really went over its connections. */
class Upstream {
  readonly server: Server;
  readonly sockets: Socket[] = [];
  /** URLs whose answer or WebSocket is open. */
  readonly open = new Set<string>();
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  constructor(make: (listener: RequestListener) => Server, connected = 'connection') {
    this.server = make((request, response) => {
      const { url = '/' } = request;
      this.open.add(url);
      response.once('close', () => this.open.delete(url));
      request.resume();
      request.once('end', () => {
        if (url === '/events')
          response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n');
        else if (url === '/flood') response.end(Buffer.alloc(FLOOD, 'f'));
        else if (url !== '/never') response.end(url === '/big' ? Buffer.alloc(300_000, 'b') : 'ok');
      });
    });
    // The gateway keeps its connections for as long as the server says.
    this.server.keepAliveTimeout = 60_000;
    this.server.on(connected, (socket: Socket) => this.sockets.push(socket));
    this.server.on('upgrade', (request, socket, head) => {
      const { url = '/' } = request;
      this.open.add(url);
      socket.once('close', () => this.open.delete(url));
      this.#sockets.handleUpgrade(request, socket, head, (opened) => {
        opened.on('message', (data) => opened.send(data));
        if (url === '/ws-flood') opened.send(Buffer.alloc(FLOOD, 'f'));
      });
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }

  /** What it has been sent and has sent. */
  get bytes(): { readonly written: number; readonly read: number } {
    const sum = (of: (socket: Socket) => number) => this.sockets.reduce((total, one) => total + of(one), 0);
    return { written: sum(({ bytesRead }) => bytesRead), read: sum(({ bytesWritten }) => bytesWritten) };
  }
}

interface Row {
  readonly statistics: Readonly<Record<string, number>>;
}

interface Shown {
  readonly connections: readonly { readonly cipher: string; readonly connection_id: number }[];
  readonly memory: { readonly connection_buffers: { readonly total: number } };
}

let store: SharedStore;
const upstream = new Upstream((listener) => createServer({ requestTimeout: 0 }, listener));
let fleet: Fleet;

beforeAll(async () => {
  store = await (SHARED_STORES.redis as () => Promise<SharedStore>)();
  const url = `http://127.0.0.1:${await upstream.listen()}`;
  fleet = await startFleet(url, store, { session: SESSION });
  await fleet.ask('GET', '/v1/');
});

afterAll(async () => {
  await fleet?.stop();
  upstream.stop();
  await store?.stop();
});

async function read<Document>(path: string, { ask } = fleet): Promise<Document> {
  const { status, body } = await ask('GET', path);
  expect(status).toBe(200);
  return JSON.parse(body) as Document;
}

const shown = async (id: string, at = fleet) =>
  (await read<{ data: { attributes: Shown } }>(`/v1/sessions/${id}`, at)).data.attributes;

/** Sums over all connections of a session. */
async function statistics(id: string): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const row of await read<Row[]>(`/sessions/${id}/connections`))
    for (const [name, count] of Object.entries(row.statistics)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** A session, and what the server has counted for it since it began. */
async function begin({ gateways } = fleet) {
  const before = upstream.bytes;
  const cookie = cookieOf(await send(gateways[0]));
  const counted = () => ({
    read_bytes: upstream.bytes.read - before.read,
    written_bytes: upstream.bytes.written - before.written,
  });
  return { cookie, headers: { cookie }, id: idOf(cookie), counted };
}

async function open(gateway: string, path: string, cookie: string): Promise<WebSocket> {
  const socket = new WebSocket(`${gateway.replace('http', 'ws')}${path}`, { headers: { cookie } });
  await once(socket, 'open');
  return socket;
}

describe('what a client causes is what is shown', () => {
  it('to the operation and to the byte, over both gateways', async () => {
    const { headers, id, counted } = await begin();
    for (const gateway of fleet.gateways) {
      for (let i = 0; i < 3; i++) await send(gateway, { headers });
      await send(`${gateway}/up`, { method: 'POST', headers, body: 'one piece' });
    }
    // Of an answer its head and its only piece; of a request its head, and of the uploads their only piece.
    const [requests, uploads] = [1 + 2 * 4, 2];
    await expect
      .poll(() => statistics(id), PATIENCE)
      .toEqual({
        reads: 2 * requests,
        writes: requests + uploads,
        buffered_writes: 0,
        high_water_events: 0,
        low_water_events: 0,
        ...counted(),
      });
    expect((await shown(id)).connections).toHaveLength(2);
  });

  it('with large bodies, and of a stream and a WebSocket while they are open', async () => {
    const { cookie, headers, id, counted } = await begin();
    const [one, two] = fleet.gateways;
    await send(`${one}/big`, { headers });
    await send(`${two}/up`, { method: 'POST', headers, body: Buffer.alloc(100_000) });
    const stream = get(`${one}/events`, { headers, agent: false }, (answer) => answer.resume());
    stream.on('error', () => {});
    const socket = await open(two, '/ws', cookie);
    await expect.poll(() => statistics(id), PATIENCE).toMatchObject(counted());
    const before = await statistics(id);
    const caused = counted();
    for (let i = 0; i < 5; i++) {
      socket.send(`message ${i}`);
      await once(socket, 'message');
    }
    // A frame to the server has a mask of four bytes and two more of its head, one from it has none (RFC 6455 section 5.2).
    expect(counted()).toEqual({
      read_bytes: caused.read_bytes + 5 * (2 + 'message 0'.length),
      written_bytes: caused.written_bytes + 5 * (6 + 'message 0'.length),
    });
    await expect
      .poll(() => statistics(id), PATIENCE)
      .toEqual({
        ...before,
        ...counted(),
        reads: (before.reads ?? 0) + 5,
        writes: (before.writes ?? 0) + 5,
      });
    expect(upstream.open).toEqual(new Set(['/events', '/ws']));
    stream.destroy();
    socket.terminate();
    await expect.poll(() => upstream.open.size, PATIENCE).toBe(0);
  });
});

describe('a reader that stalls', () => {
  const waiting = async (id: string) => (await shown(id)).memory.connection_buffers.total;

  it('of an answer raises high_water_events, and what waits for it is memory of its session', async () => {
    const { cookie, id } = await begin();
    const { hostname, port } = new URL(fleet.gateways[1]);
    const socket = connect(Number(port), hostname).pause();
    socket.write(
      `GET /flood HTTP/1.1\r\nHost: ${hostname}:${port}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
    );
    await stalled(id);
    socket.resume();
    await once(socket, 'close');
    await goesOn(id);
  });

  it('of a WebSocket does as well', async () => {
    const { cookie, id } = await begin();
    const socket = await open(fleet.gateways[1], '/ws-flood', cookie);
    socket.pause();
    await stalled(id);
    const message = once(socket, 'message');
    socket.resume();
    expect(((await message)[0] as Buffer).length).toBe(FLOOD);
    await goesOn(id);
    socket.terminate();
  });

  async function stalled(id: string): Promise<void> {
    const both = async () => {
      const { high_water_events: high = 0, low_water_events: low = 0 } = await statistics(id);
      return [high >= 1, high - low];
    };
    await expect.poll(both, PATIENCE).toEqual([true, 1]);
    await expect.poll(() => waiting(id), PATIENCE).toBeGreaterThan(0);
  }

  async function goesOn(id: string): Promise<void> {
    await expect.poll(() => waiting(id), PATIENCE).toBe(0);
    const {
      high_water_events: high,
      low_water_events: low,
      buffered_writes: buffered,
    } = await statistics(id);
    expect([low, buffered]).toEqual([high, high]);
  }
});

describe('the end of a session', () => {
  it('closes its connections to servers in every process, and no other', async () => {
    const [one, two] = fleet.gateways;
    const [ending, staying] = [await begin(), await begin()];
    const clients = [
      get(`${one}/events`, { headers: ending.headers, agent: false }, (answer) => answer.resume()),
      get(`${two}/never`, { headers: ending.headers, agent: false }, (answer) => answer.resume()),
    ];
    for (const client of clients) client.on('error', () => {});
    const closed = once(await open(two, '/ws', ending.cookie), 'close');
    const other = await open(one, '/ws-other', staying.cookie);
    await expect.poll(() => upstream.open.size, PATIENCE).toBe(4);
    expect((await fleet.ask('DELETE', `/v1/sessions/${ending.id}`)).status).toBe(204);
    expect((await closed)[0]).toBe(4401);
    await expect.poll(() => [...upstream.open], PATIENCE).toEqual(['/ws-other']);
    other.send('still here');
    expect(String((await once(other, 'message'))[0])).toBe('still here');
    other.terminate();
  });
});

describe('a connection with TLS', () => {
  it('is shown with the cipher that the server has agreed to, in each process', async () => {
    const [cert, key] = ['admin.crt', 'admin.key'].map((name) => readFileSync(join(fixtures, name)));
    const secure = new Upstream(
      (listener) => createTlsServer({ cert, key }, listener) as unknown as Server,
      'secureConnection',
    );
    const url = `https://localhost:${await secure.listen()}`;
    const env = { NODE_EXTRA_CA_CERTS: join(fixtures, 'ca.crt') };
    const tls = await startFleet(url, store, { session: SESSION, env });
    try {
      const { headers, id } = await begin(tls);
      expect((await send(tls.gateways[1], { headers })).body).toBe('ok');
      const ciphers = async () => (await shown(id, tls)).connections.map(({ cipher }) => cipher);
      const agreed = secure.sockets.map((socket) => (socket as TLSSocket).getCipher().name);
      expect(agreed[0]).toMatch(/^TLS_/);
      await expect.poll(ciphers, PATIENCE).toEqual([agreed[0], agreed[0]]);
    } finally {
      await tls.stop();
      secure.stop();
    }
  });
});
