import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { ListenerConfig } from '@sessionkit/compose';
import { type HttpSettings, openVisit } from '@sessionkit/http-node';
import type { Router, Service } from '@sessionkit/session-core';
import { Connections } from './connections.js';
import { listenError } from './listen-error.js';
import type { Logs } from './log.js';
import {
  answerProblem,
  answerRefusal,
  gatewayProblem,
  refuseConnection,
  requestProblem,
} from './problems.js';
import { Visited } from './visited.js';

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
const SERVER_OPTIONS: ServerOptions = {
  // A problem document says it, and the access log.
  requireHostHeader: false,
  maxHeaderSize: 16_384,
  headersTimeout: 60_000,
  // A slow upload may take as long as it takes.
  requestTimeout: 0,
  // Longer than the 60 s after which load balancers drop a connection, so that it is never us who drop one they are about to use.
  keepAliveTimeout: 65_000,
};

/** One address and port, in front of one service. */
export class Listener {
  readonly #parts: ListenerParts;
  readonly #server: Server;
  readonly #connections: Connections;
  #active = 0;
  #idle: (() => void) | undefined;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    // There is no `upgrade` listener on purpose: node then reads such a request like the others, and an `Upgrade: h2c` can be ignored (RFC 9110 section 7.8).
    this.#server = createServer(SERVER_OPTIONS, (request, response) => this.#accept(request, response));
    // Their size is bounded; of more than 2,000 node would drop some, such as what a proxy has appended.
    this.#server.maxHeadersCount = 0;
    // Node's own answer would be no problem document, and in no log.
    this.#server.on('checkExpectation', (request, response) => this.#accept(request, response));
    this.#connections = new Connections(this.#server);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (this.#connections.isAwaited(socket)) {
        socket.destroy();
        return;
      }
      const status = refuseConnection(error, socket);
      if (status === undefined) return;
      const { remoteAddress } = socket as Partial<Socket>;
      this.#log({ client: remoteAddress, status, error: error.code });
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
      const fail = (cause: NodeJS.ErrnoException) => reject(listenError(this.#parts.config, cause));
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
    const visited = new Visited(request, this.#parts.settings);
    let bytes: number | undefined;
    let handled = false;
    const finish = () => {
      if (!handled || bytes === undefined) return;
      const duration = performance.now() - begun;
      this.#log(visited.line(request, response, { bytes, duration, redacted: this.#parts.redacted }));
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
    const problem = requestProblem(request);
    if (problem !== undefined) {
      response.shouldKeepAlive = false;
      answerProblem(response, problem);
      return;
    }
    if (view.upgrade) return this.#refuseUpgrade(response, visited);
    const visit = await openVisit(service, request, response, settings, {
      view,
      onRefusal: ({ code }) => {
        visited.code = code;
      },
    });
    if (visit === undefined) return;
    visited.open(visit);
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
  async #refuseUpgrade(response: ServerResponse, visited: Visited): Promise<void> {
    const visit = await this.#parts.service.open(visited.view);
    visit.close();
    response.shouldKeepAlive = false;
    if (visit.refusal !== undefined) {
      visited.code = visit.refusal.code;
      answerRefusal(response, visit.refusal);
    } else answerProblem(response, gatewayProblem(501, 'This gateway does not switch protocols.'));
  }

  #fail(error: unknown, response: ServerResponse, visited: Visited): void {
    const { visit, view } = visited;
    const refusal = visit?.refuse(error);
    if (refusal === undefined) {
      const message = `${view.method} ${view.path} could not be handled`;
      this.#parts.logs.log('error', message, { service: this.#parts.service.name, err: error });
    }
    if (refusal === undefined || response.headersSent)
      answerProblem(response, gatewayProblem(500, 'The request could not be handled.'));
    else {
      visited.code = refusal.code;
      answerRefusal(response, refusal);
    }
  }

  #log(line: Readonly<Record<string, unknown>>): void {
    const { logs, service } = this.#parts;
    logs.access({ listener: this.name, service: service.name, ...line });
  }
}
