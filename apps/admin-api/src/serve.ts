import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { SessionError } from '@sessionkit/session-core';
import type { AdminApi } from './api.js';
import { AdminError, errorDocument } from './errors.js';
import { isLoopback } from './guard.js';
import { errorResponse, withCommonHeaders } from './respond.js';

export interface ServeOptions {
  readonly api: AdminApi;
  /** Default `127.0.0.1`. */
  readonly address?: string | undefined;
  /** Default 8989; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Listen beyond loopback although passwords and sessions then travel in the clear. Default false. */
  readonly insecure?: boolean | undefined;
}

export interface AdminServer {
  readonly address: string;
  /** The real one, also when 0 was asked for. */
  readonly port: number;
  /** Such as `http://127.0.0.1:8989`. */
  readonly url: string;
  /**
   * Takes no more connections and waits for the answers under way, at most `drainTimeout` ms (default 10,000); then cuts them. Answers whether all
   * of them were finished.
   */
  close(drainTimeout?: number): Promise<boolean>;
}

const REQUEST_TIMEOUT = 30_000;
const IDLE_CHECK = 50;
/**
 * Listens for the admin API over HTTP.
 * @throws SessionError `CONFIG_INVALID`: the address is beyond loopback and `insecure` was not said, or it cannot be listened on.
 */
export async function serveAdmin(options: ServeOptions): Promise<AdminServer> {
  const { api, address = '127.0.0.1', port = 8989 } = options;
  if (!isLoopback(address) && options.insecure !== true) {
    throw new SessionError(
      'CONFIG_INVALID',
      `admin.listen: ${address} is beyond loopback, where passwords would travel in the clear. Listen on 127.0.0.1 behind a proxy with TLS, or say admin.insecure: true.`,
    );
  }
  const listener = getRequestListener(
    (request, { incoming, outgoing }) => {
      const { remoteAddress, localAddress } = incoming.socket;
      const hosts = localAddress === undefined ? [address] : [address, localAddress];
      return api.fetch(request, { remoteAddress, hosts, cut: () => outgoing.destroy() });
    },
    {
      overrideGlobalObjects: false,
      errorHandler: () => withCommonHeaders(errorResponse(malformed(), true), Date.now()),
    },
  );
  // A request without Host is refused by the listener, with a body like every other error.
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT, requireHostHeader: false }, listener);
  server.on('clientError', refuse);
  await listen(server, address, port);

  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    address: bound.address,
    port: bound.port,
    url: `http://${host}:${bound.port}`,
    close: (drainTimeout = 10_000) => close(server, drainTimeout),
  };
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is taken' : (cause.code ?? cause.message);
      const message = `admin.listen: cannot listen on ${address}:${port}: ${why}. Choose another address or port.`;
      reject(new SessionError('CONFIG_INVALID', message, { cause }));
    });
    server.listen(port, address, resolve);
  });
}

function close(server: Server, drainTimeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    let finished = true;
    const timer = setTimeout(() => {
      finished = false;
      server.closeAllConnections();
    }, drainTimeout);
    // A connection becomes idle when its answer is finished, and would then be kept for its next request.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(idle);
      resolve(finished);
    });
  });
}

const malformed = () => new AdminError(400, 'The request is malformed.');

/** Answers what the HTTP parser refuses. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, shown] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', new AdminError(431, 'The header fields are too large.')]
      : ['400 Bad Request', malformed()];
  const body = JSON.stringify(errorDocument(shown));
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
