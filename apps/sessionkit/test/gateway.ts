// The gateway within the process of a test, in front of a server of the test's own.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { readConfig } from '@sessionkit/compose';
import { processEnvironment } from '@sessionkit/session-core';
import { onTestFinished, vi } from 'vitest';
import { App } from '../src/app.js';
import type { Logs } from '../src/log.js';
import { LogRing } from '../src/log-ring.js';

type Fields = Readonly<Record<string, unknown>>;

/** The head of a client's WebSocket handshake. */
export const handshake = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;

export const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/**
 * Answers each request with its path, but to `/slow` when it is let; handshakes as `onHandshake` does.
 */
async function startUpstream(onHandshake: (socket: Duplex) => void) {
  const slow: (() => void)[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => {
    if (request.url === '/slow') slow.push(() => response.end('slow'));
    else if (request.url?.startsWith('/login')) response.setHeader('x-session-user', 'ann').end('in');
    else {
      const { 'x-session-user': user, 'x-session-data': data } = request.headers;
      response.end(`${request.url} as ${user} with ${Buffer.from(String(data), 'base64url')}`);
    }
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {});
    onHandshake(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { slow, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A connection, and what has come over it. */
export class Client {
  readonly socket: Socket;
  text = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1').on('data', (data) => (this.text += data));
    this.socket.on('error', () => {});
    onTestFinished(() => void this.socket.destroy());
  }

  async closed(): Promise<string> {
    // A reset closes it as well.
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve));
    return this.text;
  }
}

interface GatewayOptions {
  /** Default: switches. */
  readonly onHandshake?: (socket: Duplex) => void;
  /** With an admin API. Default: without. */
  readonly admin?: boolean;
}

export async function startGateway(options: GatewayOptions = {}) {
  const { onHandshake = (socket) => void socket.write(SWITCH), admin = false } = options;
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-gateway-'));
  const { slow, url } = await startUpstream(onHandshake);
  const file = join(folder, 'sessionkit.yaml');
  writeFileSync(
    file,
    `session: { auto_create: true, transport: { type: cookie }, backend: { type: memory } }
servers: { up: { url: "${url}", steer: true } }
services: { shop: { router: { type: proxy, servers: [up] } } }
listeners: { public: { service: shop, port: 0 } }
admin: ${admin ? '{ listen: "127.0.0.1:0", users_file: users.json }' : false}
drain_timeout: 20
`,
  );
  const { config, error } = await readConfig(file, {
    resolveFrom: import.meta.url,
    conditions: ['@sessionkit/source'],
  });
  if (error !== undefined) throw error;
  const lines: { readonly level: string; readonly message: string; readonly fields: Fields | undefined }[] =
    [];
  const access: Fields[] = [];
  const logs: Logs = {
    environment: processEnvironment,
    log: (level, message, fields) => void lines.push({ level, message, fields }),
    access: (fields) => void access.push(fields),
    recent: new LogRing(),
    flush: async () => {},
    close: async () => {},
  };
  vi.stubEnv('SESSIONKIT_ADMIN_PASSWORD', 'correct horse');
  const app = await App.start(config, logs).finally(() => vi.unstubAllEnvs());
  const aborted = AbortSignal.abort();
  let stopped = false;
  const stop = (now: AbortSignal = new AbortController().signal) => {
    stopped = true;
    return app.stop(now);
  };
  onTestFinished(async () => {
    if (!stopped) await stop(aborted);
    rmSync(folder, { recursive: true, force: true });
  });
  const portOf = (name: string) => {
    const line = lines.find(({ message }) => message.startsWith(`listening: ${name} `));
    return Number(new URL(String(line?.fields?.url)).port);
  };
  const port = portOf('public');
  return { slow, lines, access, stop, port, portOf, url: `http://127.0.0.1:${port}` };
}
