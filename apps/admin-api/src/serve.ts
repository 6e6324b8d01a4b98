import {
  createServer as createHttp,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { type Environment, type Millis, processEnvironment, SessionError } from '@sessionkit/session-core';
import type { AdminApi } from './api.js';
import { AdminError } from './errors.js';
import { faultResponse } from './fault.js';
import { isLoopback } from './guard.js';
import { refusalOf, writeRefusal } from './malformed.js';
import { readTls, type TlsFiles } from './tls.js';

export interface ServeOptions {
  readonly api: AdminApi;
  /** Default `127.0.0.1`. */
  readonly address?: string | undefined;
  /** Default 8989; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Speak HTTPS. Default: HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Listen beyond loopback although passwords and sessions then travel in the clear. Default false. */
  readonly insecure?: boolean | undefined;
  /** Connections at a time; one more is closed at once. Default 500. */
  readonly maxConnections?: number | undefined;
  /** Clock and process log. */
  readonly environment?: Environment | undefined;
}

export interface AdminServer {
  readonly address: string;
  /** The real one, also when 0 was asked for. */
  readonly port: number;
  /** Such as `http://127.0.0.1:8989`. */
  readonly url: string;
  /**
   * Reads certificate, key and authorities anew, and answers the step that has new connections use them. Whether clients must show a certificate stays as it was.
   * @throws SessionError `CONFIG_INVALID`: a file is wrong, or it speaks no HTTPS. Nothing has changed then.
   */
  renew(tls: TlsFiles): Promise<() => void>;
  /**
   * Takes no more connections and waits for the answers under way, at most `drainTimeout` ms (default 10,000); then cuts them. Answers whether all
   * of them were finished.
   */
  close(drainTimeout?: number): Promise<boolean>;
}

const IDLE_CHECK = 50;
const MAX_CONNECTIONS = 500;
/** Neither side has sent anything: a reader that has stopped reading holds a connection and a walk through the store. */
const SILENCE: Millis = 120_000;
const HANDSHAKE: Millis = 10_000;
const DROP_NOTE: Millis = 60_000;

/** Sizes in bytes, times in ms. */
const LIMITS: ServerOptions = {
  // The request line counts as well.
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // How often the two are looked at.
  connectionsCheckingInterval: 1_000,
  // Longer than load balancers keep theirs, so that it is never us who close one that they are about to use.
  keepAliveTimeout: 65_000,
  // A request without Host is refused by the API, with a body like every other error.
  requireHostHeader: false,
};

/**
 * Listens for the admin API over HTTP or HTTPS.
 * @throws SessionError `CONFIG_INVALID`: the address is beyond loopback, and there is neither TLS nor `insecure`; a file of TLS is wrong; it cannot be listened on.
 */
export async function serveAdmin(options: ServeOptions): Promise<AdminServer> {
  const { api, address = '127.0.0.1', port = 8989, environment = processEnvironment } = options;
  if (!isLoopback(address) && options.tls === undefined && options.insecure !== true) {
    throw new SessionError(
      'CONFIG_INVALID',
      `admin.listen: ${address} is beyond loopback, where passwords would travel in the clear. Say admin.tls: { cert, key }, or listen on 127.0.0.1 behind a proxy with TLS, or say admin.insecure: true.`,
    );
  }
  const tls = options.tls && (await readTls(options.tls, environment));
  const exchanges = new WeakMap<Duplex, ServerResponse>();
  const handle = createListener(api, address, environment);
  const listener: RequestListener = (incoming, outgoing) => {
    exchanges.set(incoming.socket, outgoing);
    return handle(incoming, outgoing);
  };
  const server: Server =
    tls === undefined
      ? createHttp(LIMITS, listener)
      : createHttps({ ...LIMITS, ...tls, handshakeTimeout: HANDSHAKE }, listener);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  // Their size is bounded; of more than 2,000 node would drop some.
  server.maxHeadersCount = 0;
  server.timeout = SILENCE;
  server.on('checkExpectation', listener);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    refuse(api, error, socket, exchanges.get(socket)),
  );
  server.on('connect', (_request, socket: Duplex) =>
    refuse(api, new AdminError(405, 'This is no proxy.', { Allow: 'GET, HEAD' }), socket, undefined),
  );
  noteDropped(server, environment);
  const sockets = socketsOf(server);
  const isAnswering = (socket: Socket) => exchanges.get(socket)?.writableFinished === false;
  await listen(server, address, port);

  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    address: bound.address,
    port: bound.port,
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${bound.port}`,
    renew: (files) => renew(server, files, environment),
    close: (drainTimeout = 10_000) => {
      api.endStreams?.();
      return close(server, sockets, isAnswering, drainTimeout);
    },
  };
}

function createListener(api: AdminApi, address: string, environment: Environment): RequestListener {
  return getRequestListener(
    (request, { incoming, outgoing }) => {
      const { remoteAddress, localAddress } = incoming.socket;
      const hosts = localAddress === undefined ? [address] : [address, localAddress];
      const encrypted = 'encrypted' in incoming.socket && (incoming.socket as TLSSocket).encrypted === true;
      return api.fetch(request, { remoteAddress, encrypted, hosts, cut: () => outgoing.destroy() });
    },
    {
      overrideGlobalObjects: false,
      errorHandler: (error) => faultResponse(api, error, environment),
    },
  );
}

/**
 * Answers what the HTTP parser refuses, and has it logged.
 * @param last the latest answer on this connection
 */
function refuse(
  api: AdminApi,
  error: NodeJS.ErrnoException | AdminError,
  socket: Duplex,
  last: ServerResponse | undefined,
): void {
  if (!socket.writable || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { remoteAddress } = socket as Partial<Socket>;
  const shown = error instanceof AdminError ? error : refusalOf(error);
  api.refused?.(shown.status, { remoteAddress });
  // Behind a request that waits for its answer it would be taken for that answer, though the request may well be done.
  const awaited = last !== undefined && !last.writableFinished && (last.req.complete || last.headersSent);
  if (awaited) socket.destroy();
  else writeRefusal(shown, socket, 'rawPacket' in error ? error.rawPacket : undefined);
}

function noteDropped(server: Server, environment: Environment): void {
  let noted: Millis | undefined;
  server.on('drop', () => {
    const now = environment.now();
    if (noted !== undefined && now - noted < DROP_NOTE) return;
    noted = now;
    environment.log({
      level: 'warning',
      message: `the admin API has ${server.maxConnections} connections and closes further ones`,
    });
  });
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

async function renew(server: Server, files: TlsFiles, environment: Environment): Promise<() => void> {
  if (!('setSecureContext' in server))
    throw new SessionError('CONFIG_INVALID', 'admin.tls: it speaks plain HTTP; restart it for HTTPS');
  const tls = await readTls(files, environment);
  return () => (server as Server & HttpsServer).setSecureContext(tls);
}

/** What is connected; with TLS also what is beneath it. */
function socketsOf(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const add = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  server.on('connection', add);
  server.on('secureConnection', add);
  return sockets;
}

function close(
  server: Server,
  sockets: ReadonlySet<Socket>,
  isAnswering: (socket: Socket) => boolean,
  drainTimeout: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    let finished = true;
    const timer = setTimeout(() => {
      finished = ![...sockets].some(isAnswering);
      for (const socket of sockets) socket.destroy();
    }, drainTimeout);
    const idle = setInterval(() => {
      // A connection becomes idle when its answer is finished, and would then be kept for its next request.
      server.closeIdleConnections();
      // For node one that has said nothing yet is not idle: browsers open some ahead, and so do checks of health.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    }, IDLE_CHECK);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(idle);
      resolve(finished);
    });
  });
}
