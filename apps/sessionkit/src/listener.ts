import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { ListenerConfig } from '@sessionkit/compose';
import { type HttpSettings, nodeRequest, openVisit, redactUrl } from '@sessionkit/http-node';
import {
  type Router,
  type Service,
  SessionError,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { Connections } from './connections.js';
import type { Logs } from './log.js';
import { answerProblem, answerRefusal, gatewayProblem, refuseConnection } from './problems.js';

export interface ListenerParts {
  readonly config: ListenerConfig;
  readonly service: Service;
  readonly router: Router;
  readonly settings: HttpSettings;
  /** Query parameters that carry credentials, of all services. */
  readonly redacted: readonly string[];
  readonly logs: Logs;
}

/** Sizes and times of a listener, in bytes and ms. */
const SERVER_OPTIONS = {
  maxHeaderSize: 16_384,
  headersTimeout: 60_000,
  // A slow upload may take as long as it takes.
  requestTimeout: 0,
  // Longer than the 60 s after which load balancers drop a connection, so that it is never us who drop one they are about to use.
  keepAliveTimeout: 65_000,
};
const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;
/** What a client gets to see is nothing; this is the usual number in logs. */
const CLIENT_CLOSED = 499;

/** One address and port, in front of one service. */
export class Listener {
  readonly #parts: ListenerParts;
  readonly #server: Server;
  readonly #connections: Connections;
  #active = 0;
  #idle: (() => void) | undefined;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    // There is no `upgrade` listener on purpose: node then reads such a request as any other, and an `Upgrade: h2c` can be ignored (RFC 9110 section 7.8).
    this.#server = createServer(SERVER_OPTIONS, (request, response) => this.#accept(request, response));
    this.#connections = new Connections(this.#server);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const answering = this.#connections.isAnswering(socket);
      const status = answering ? undefined : refuseConnection(error, socket);
      if (answering) socket.destroy();
      if (status === undefined) return;
      const { remoteAddress } = socket as Partial<Socket>;
      this.#parts.logs.access({ listener: this.name, status, client: remoteAddress, error: error.code });
    });
  }

  get name(): string {
    return this.#parts.config.name;
  }

  /** With the real port, also when 0 was asked for. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** @throws SessionError `CONFIG_INVALID`: it cannot listen there; the message says why and what to do. */
  listen(): Promise<void> {
    const { name, address, port } = this.#parts.config;
    return new Promise((resolve, reject) => {
      const fail = (cause: NodeJS.ErrnoException) => {
        const why = whyNot(cause, address, port);
        reject(new SessionError('CONFIG_INVALID', `listeners.${name}: ${why}`, { cause }));
      };
      this.#server.once('error', fail);
      this.#server.listen(port, address, () => {
        this.#server.off('error', fail);
        this.#server.on('error', (error) => {
          this.#parts.logs.log('error', `listener ${name}: a connection could not be accepted`, {
            err: error,
          });
        });
        resolve();
      });
    });
  }

  /** Takes no more connections. Resolves when the requests under way are answered and all connections closed. */
  async drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#connections.drain();
    await closed;
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Cuts what is left, and answers how many requests that hit. */
  cut(): number {
    const { busy } = this.#connections;
    this.#connections.cut();
    return busy;
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const begun = performance.now();
    const view = nodeRequest(request, this.#parts.settings, isUpgrade(request));
    const visited = new Visited(view, this.#requestId(request, view));
    let bytes: number | undefined;
    let handled = false;
    const finish = () => {
      if (!handled || bytes === undefined) return;
      this.#log(request, response, visited, bytes, performance.now() - begun);
      this.#active--;
      if (this.#active === 0) this.#idle?.();
    };
    this.#active++;
    this.#connections.begin(request, response, (written) => {
      bytes = written;
      finish();
    });
    this.#handle(request, response, visited)
      .catch((error: unknown) => this.#fail(error, response, visited))
      .then(() => {
        handled = true;
        finish();
      });
  }

  async #handle(request: IncomingMessage, response: ServerResponse, visited: Visited): Promise<void> {
    const { service, router, settings } = this.#parts;
    const { view, requestId } = visited;
    if (view.upgrade) return this.#refuseUpgrade(response, visited);
    const visit = await openVisit(service, request, response, settings);
    if (visit === undefined) return;
    visited.visit = visit;
    await router.handle({
      request,
      response,
      session: visit.session,
      requestId,
      clientAddress: visited.client,
      scheme: view.secure ? 'https' : 'http',
      host: view.host ?? '',
      onServer: (name) => {
        visited.server = name;
      },
    });
  }

  /** The session's word comes first: a page of another site learns nothing of what is here. */
  async #refuseUpgrade(response: ServerResponse, { view }: Visited): Promise<void> {
    const visit = await this.#parts.service.open(view);
    visit.close();
    response.shouldKeepAlive = false;
    if (visit.refusal !== undefined) answerRefusal(response, visit.refusal);
    else answerProblem(response, gatewayProblem(501, 'This gateway does not switch protocols.'));
  }

  #fail(error: unknown, response: ServerResponse, { visit, view }: Visited): void {
    const refusal = visit?.refuse(error);
    if (refusal === undefined) {
      const message = `${view.method} ${view.path} could not be handled`;
      this.#parts.logs.log('error', message, { service: this.#parts.service.name, err: error });
    }
    if (refusal === undefined || response.headersSent)
      answerProblem(response, gatewayProblem(500, 'The request could not be handled.'));
    else answerRefusal(response, refusal);
  }

  #requestId(request: IncomingMessage, view: VisitRequest): string {
    const { trust } = this.#parts.settings;
    if (trust?.(request.socket.remoteAddress ?? '', 0)) {
      const given = view.header('x-request-id');
      if (given !== undefined && REQUEST_ID.test(given)) return given;
    }
    return randomUUID();
  }

  #log(
    request: IncomingMessage,
    response: ServerResponse,
    visited: Visited,
    bytes: number,
    duration: number,
  ): void {
    const { logs, redacted, service } = this.#parts;
    const aborted = !response.writableFinished;
    const begun = bytes > 0;
    logs.access({
      request: visited.requestId,
      listener: this.name,
      service: service.name,
      client: visited.client,
      method: request.method,
      url: redactUrl(request.url ?? '', redacted),
      status: begun || !aborted ? response.statusCode : CLIENT_CLOSED,
      ...(aborted ? { aborted } : {}),
      bytes,
      duration: Math.round(duration * 10) / 10,
      ...visited.session(),
      server: visited.server,
    });
  }
}

/** What is known of a request, for its router and its line in the access log. */
class Visited {
  readonly view: VisitRequest;
  readonly requestId: string;
  readonly client: string;
  visit: Visit | undefined;
  server: string | undefined;

  constructor(view: VisitRequest, requestId: string) {
    this.view = view;
    this.requestId = requestId;
    // Asked for now: a connection that is gone no longer tells.
    this.client = view.client().ip;
  }

  /** A session that was never stored is none. */
  session(): { readonly session?: string; readonly user?: string } {
    const session = this.visit?.session;
    if (session?.id === undefined || session.isNew) return {};
    return session.user === undefined ? { session: session.id } : { session: session.id, user: session.user };
  }
}

/** A request to switch protocols. HTTP/2 in the clear is only an offer, which Java's client makes with every first request. */
function isUpgrade(request: IncomingMessage): boolean {
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 7 || name.toLowerCase() !== 'upgrade') continue;
    if (rawHeaders[i + 1]?.trim().toLowerCase() === 'h2c') continue;
    return /(?:^|[,\s])upgrade(?:$|[,\s])/i.test(request.headers.connection ?? '');
  }
  return false;
}

function whyNot({ code, message }: NodeJS.ErrnoException, address: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${address} is taken by another program. Stop that one, or choose another port (0 takes any free one).`;
    case 'EACCES':
      return `port ${port} on ${address} needs privileges that this process lacks. Choose a port from 1024.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${address}. Choose one that it has, or 0.0.0.0 for all of them.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name ${address} has no address. Correct it, or give an IP address.`;
    default:
      return `cannot listen on port ${port} of ${address}: ${message}`;
  }
}
