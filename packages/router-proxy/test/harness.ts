import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { memory } from '@sessionkit/backend-memory';
import { httpSettings, nodeRequest, openVisit } from '@sessionkit/http-node';
import {
  type CredentialCarriers,
  createSessionManager,
  type Exchange,
  type LogEntry,
  processEnvironment,
  type Router,
  type ServerTarget,
  type ServiceOptions,
  type Session,
  type SessionManager,
} from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { onTestFinished } from 'vitest';
import { type ProxyOptions, proxyRouter } from '../src/index.js';

const COOKIE = 'sid';
export const ADMIN = `Basic ${Buffer.from('admin:mariadb').toString('base64')}`;

export const carriers: CredentialCarriers = {
  cookies: [COOKIE, 'other-sid'],
  queries: ['_token'],
  bearer: true,
  isAdminCredential: (value) => value === ADMIN,
};

interface Gateway {
  readonly port: number;
  readonly url: string;
  readonly manager: SessionManager;
  readonly router: Router;
  readonly log: LogEntry[];
  /** Servers that answered, in order. */
  readonly served: string[];
  /** Promises of `handle`, in order of the requests. */
  readonly handled: Promise<void>[];
}

type Options = Partial<ProxyOptions> & {
  readonly service?: string;
  readonly session?: ServiceOptions;
  /** Passes on what `Host` says. Default: a name of its own. */
  readonly ownHost?: boolean;
  /** Requests to switch to a WebSocket are passed on. */
  readonly webSockets?: boolean;
};

/** The real thing: node:http, http-node, manager, memory, cookie and the router, in front of `upstreams`. */
export async function gateway(upstreams: readonly (string | ServerTarget)[], options: Options = {}) {
  const log: LogEntry[] = [];
  const environment = { ...processEnvironment, log: (entry: LogEntry) => void log.push(entry) };
  const manager = createSessionManager({ environment });
  const service = manager.service('shop', {
    backend: memory(),
    transports: [cookie({ name: COOKIE })],
    autoCreate: true,
    ...options.session,
  });
  const servers = upstreams.map((one, i) =>
    typeof one === 'string' ? { name: `server${i + 1}`, url: one, steer: true } : one,
  );
  const router = proxyRouter({ environment, service: 'shop', servers, carriers, ...options });
  const served: string[] = [];
  const handled: Promise<void>[] = [];
  const settings = httpSettings({ environment });
  let serial = 0;
  const exchange = (request: IncomingMessage, response: ServerResponse, session: Session): Exchange => ({
    request,
    response,
    session,
    requestId: `r${++serial}`,
    clientAddress: '192.0.2.7',
    scheme: 'https',
    host: options.ownHost
      ? request.rawHeaders.filter((_, i, all) => i % 2 && all[i - 1] === 'Host').join(', ')
      : 'shop.example',
    onServer: (name) => void served.push(name),
  });
  const server = http.createServer(async (request, response) => {
    const visit = await openVisit(service, request, response, settings);
    if (visit !== undefined) handled.push(router.handle(exchange(request, response, visit.session)));
  });
  const sockets = new Set<Duplex>();
  const upgraded = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    const response = new http.ServerResponse(request);
    response.assignSocket(socket as Socket);
    const { session } = await service.open(nodeRequest(request, settings, true));
    const upgrade = { socket, head, finish: async () => [], opened() {}, used() {} };
    handled.push(router.handle({ ...exchange(request, response, session), upgrade }));
  };
  if (options.webSockets === true) server.on('upgrade', upgraded);
  const port = await listen(server);
  onTestFinished(async () => {
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
    await router.close();
    await manager.close();
  });
  const made: Gateway = { port, url: `http://127.0.0.1:${port}`, manager, router, log, served, handled };
  return made;
}

/** A real upstream. Answers its URL. */
export async function upstream(listener: RequestListener): Promise<string> {
  const server = http.createServer(listener);
  const port = await listen(server);
  onTestFinished(() => server.closeAllConnections());
  return `http://127.0.0.1:${port}`;
}

/** An upstream that speaks bytes: `answer` is called with each head that arrives. */
export async function rawUpstream(answer: (socket: Socket, head: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => answer(socket, chunk.toString('latin1')));
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${port}`;
}

/** A port on which nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends bytes and answers the bytes that came until the connection was closed. */
export function exchangeBytes(
  port: number,
  bytes: string,
  done?: (soFar: string) => boolean,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (done?.(text)) socket.destroy();
    });
    socket.on('error', (error) => {
      text += `<${(error as NodeJS.ErrnoException).code}>`;
    });
    socket.on('close', () => resolve(text));
    socket.write(bytes, 'latin1');
  });
}

export interface Reply {
  readonly status: number;
  readonly raw: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: readonly string[];
}

interface Sent {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

/** One request on a connection of its own. Rejects when the answer is cut. */
export function send(url: string, { method = 'GET', headers = {}, body, signal }: Sent = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method, headers, agent: false, ...(signal && { signal }) },
      (response) => {
        let text = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, rawHeaders, rawTrailers } = response;
          resolve({
            status: statusCode,
            raw: rawHeaders,
            headers: response.headers,
            body: text,
            trailers: rawTrailers,
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** The cookie that an answer sets, as a browser would send it back. */
export function cookieOf(reply: Reply): string {
  const set = reply.headers['set-cookie']?.find((value) => value.startsWith(`${COOKIE}=`)) ?? '';
  return set.split(';')[0] ?? '';
}

/** An upstream that answers the head it was sent, as JSON. */
export const echo = (request: IncomingMessage, response: ServerResponse): void => {
  const { method, url, rawHeaders } = request;
  response.end(JSON.stringify({ method, url, rawHeaders }));
};

export function encode(data: unknown): string {
  return Buffer.from(JSON.stringify(data)).toString('base64url');
}
