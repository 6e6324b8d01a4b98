import { type IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Switched } from '@sessionkit/admin-api';
import type { ListenerConfig } from '@sessionkit/compose';
import { type HttpSettings, openVisit } from '@sessionkit/http-node';
import {
  type Exchange,
  type Millis,
  type OpenTunnel,
  type Router,
  type Service,
  SessionError,
  type UpgradeParts,
  type Visit,
} from '@sessionkit/session-core';
import type { Connections } from './connections.js';
import { listenError } from './listen-error.js';
import type { Logs } from './log.js';
import { Port } from './port.js';
import { answerProblem, answerRefusal, gatewayProblem, requestProblem } from './problems.js';
import { type ShownParameters, statementOf } from './statement.js';
import { TrafficCount } from './traffic.js';
import { Visited } from './visited.js';

const STOPPED = gatewayProblem(503, 'This service has been stopped by its operator.');

/** A connection that asks to be switched to a WebSocket. */
type Offer = Pick<UpgradeParts, 'socket' | 'head'>;

/** Close code for a client that is to come again elsewhere, or later (RFC 6455 section 7.4.1). */
const GOING_AWAY = 1_001;

const sendAway = (tunnel: OpenTunnel) => tunnel.end(GOING_AWAY, 'the gateway stops');

/** What listeners of one service share. */
export interface ServiceFront {
  readonly service: Service;
  /** Undefined: it has no listener. */
  router: Router | undefined;
  readonly traffic: TrafficCount;
  /** When it was started last. */
  startedAt: Millis;
  /** An operator has stopped it: its requests are refused. */
  stopped: boolean;
}

/** What a listener serves, and how. */
export interface Serving {
  readonly config: ListenerConfig;
  readonly front: ServiceFront;
  readonly router: Router;
  readonly settings: HttpSettings;
  /** Query parameters that carry credentials, of all services. */
  readonly redacted: readonly string[];
  /** What operators see of the queries of requests: that of the service in the configuration. */
  readonly queries: ShownParameters;
}

/** One address and port, in front of one service. Operators stop and start it. */
export class Listener {
  readonly traffic = new TrafficCount();
  readonly #logs: Logs;
  /** Its place stays as long as it lives. */
  #config: ListenerConfig;
  /** Undefined: requests wait until it is known what they are for. */
  #serving: Serving | undefined;
  #waiting: ((serving: Serving) => void)[] = [];
  /** Where it listens; undefined while it is stopped. */
  #port: Port | undefined;
  /** Those that were stopped, until their last connection is closed. */
  readonly #draining = new Set<Port>();
  /** WebSockets that are open. */
  readonly #tunnels = new Set<OpenTunnel>();
  #bound: AddressInfo | undefined;
  readonly #idle: (() => void)[] = [];
  /** Starts and stops are done one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;
  /** WebSockets are told to go away. */
  #goingAway = false;

  constructor(config: ListenerConfig, logs: Logs) {
    this.#config = config;
    this.#logs = logs;
  }

  /** From the next request on. Those under way end as they began. */
  serve(serving: Serving): void {
    this.#config = serving.config;
    this.#serving = serving;
    this.traffic.become(serving.front.traffic);
    for (const answer of this.#waiting.splice(0)) answer(serving);
  }

  get config(): ListenerConfig {
    return this.#config;
  }

  get name(): string {
    return this.#config.name;
  }

  get service(): string {
    return this.#config.service;
  }

  get isRunning(): boolean {
    return this.#port !== undefined;
  }

  /** The real address, also when port 0 was asked for. It stays while the listener is stopped. */
  get bound(): AddressInfo {
    const { address, port } = this.#config;
    return this.#bound ?? { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
  }

  get url(): string {
    const { address, family, port } = this.bound;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** @throws SessionError `CONFIG_INVALID`: it cannot listen there; the message says why and what to do. */
  async listen(): Promise<void> {
    const { address, port } = this.#config;
    try {
      this.#port = await Port.open(address, this.#bound?.port ?? port, {
        traffic: this.traffic,
        onRequest: (request, response, connections) => this.#accept(request, response, connections),
        onUpgrade: (request, socket, head, connections) => this.#upgrade(request, socket, head, connections),
        onMalformed: (client, status, error) => this.#log(this.#config, { client, status, error }),
        onError: (error) =>
          this.#logs.log('error', `listener ${this.name}: a connection could not be accepted`, {
            err: error,
          }),
      });
    } catch (cause) {
      throw listenError(this.#config, cause as NodeJS.ErrnoException);
    }
    this.#bound = this.#port.bound;
  }

  /** Listens again where it did. */
  start(): Promise<Switched> {
    return this.#inTurn(async () => {
      if (this.#ended) return { refused: 'The process is shutting down.' };
      if (this.isRunning) return { changed: false, cut: 0 };
      try {
        await this.listen();
      } catch (error) {
        if (error instanceof SessionError) return { refused: error.message };
        throw error;
      }
      return { changed: true, cut: 0 };
    });
  }

  /** Takes no more connections; its address refuses them. Requests under way are answered, or cut by `force`. */
  stop(force: boolean): Promise<Switched> {
    return this.#inTurn(async () => {
      const changed = this.isRunning;
      this.#release();
      return { changed, cut: force ? this.cut() : 0 };
    });
  }

  /** As a stop for ever, because the process stops: WebSockets are told. Resolves as {@link leave} does. */
  async drain(): Promise<void> {
    this.#goingAway = true;
    await this.#end();
    for (const tunnel of this.#tunnels) sendAway(tunnel);
    await this.#empty();
  }

  /** As a stop for ever, with WebSockets left open. Resolves when the requests under way are answered and all connections closed. */
  async leave(): Promise<void> {
    await this.#end();
    await this.#empty();
  }

  #end(): Promise<void> {
    this.#ended = true;
    return this.#inTurn(async () => this.#release());
  }

  async #empty(): Promise<void> {
    await Promise.all([...this.#draining].map((port) => port.drain()));
    if (this.traffic.activeRequests > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** How many requests are under way. */
  get busy(): number {
    return this.#ports().reduce((sum, { connections }) => sum + connections.busy, 0);
  }

  /** Cuts all connections, and answers how many requests that hit. */
  cut(): number {
    const { busy } = this;
    for (const { connections } of this.#ports()) connections.cut();
    return busy;
  }

  #ports(): readonly Port[] {
    return this.#port === undefined ? [...this.#draining] : [this.#port, ...this.#draining];
  }

  #release(): void {
    const port = this.#port;
    if (port === undefined) return;
    this.#port = undefined;
    this.#draining.add(port);
    void port.drain().then(() => this.#draining.delete(port));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** An answer other than the switch is written to the connection that node has handed over, and closes it. */
  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, connections: Connections): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    socket.on('error', () => socket.destroy());
    response.once('finish', () => socket.destroySoon());
    this.#accept(request, response, connections, { socket, head });
  }

  #accept(request: IncomingMessage, response: ServerResponse, connections: Connections, offer?: Offer): void {
    const written = new Promise<number>((resolve) => connections.begin(request, response, resolve));
    const answer = (serving: Serving) => void this.#answer(serving, request, response, written, offer);
    if (this.#serving === undefined) this.#waiting.push(answer);
    else answer(this.#serving);
  }

  /** @param written resolves to the bytes of the answer when it is over */
  async #answer(
    serving: Serving,
    request: IncomingMessage,
    response: ServerResponse,
    written: Promise<number>,
    offer: Offer | undefined,
  ): Promise<void> {
    const { config, redacted, settings } = serving;
    const begun = performance.now();
    const visited = new Visited(request, settings);
    const over = this.traffic.begun();
    await this.#handle(serving, request, response, visited, offer).catch((error: unknown) =>
      this.#fail(error, response, visited),
    );
    const bytes = await written;
    const duration = performance.now() - begun;
    this.#log(config, visited.line(request, response, { bytes, duration, redacted }));
    over();
    if (this.traffic.activeRequests === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #handle(
    serving: Serving,
    request: IncomingMessage,
    response: ServerResponse,
    visited: Visited,
    offer: Offer | undefined,
  ): Promise<void> {
    const { front, settings } = serving;
    const { view } = visited;
    const problem = front.stopped ? STOPPED : requestProblem(request);
    if (problem !== undefined) {
      response.shouldKeepAlive = false;
      answerProblem(response, problem);
      return;
    }
    // Also before a switch: a page of another site learns nothing of what is here.
    const visit = await openVisit(front.service, request, response, settings, {
      view,
      onRefusal: ({ code }) => {
        visited.code = code;
      },
    });
    if (visit === undefined) return;
    visited.open(visit);
    if (offer === undefined) await this.#pass(serving, request, response, visited, visit);
    else await this.#switch(serving, request, response, visited, visit, offer);
  }

  /** To a WebSocket, unless the server answers something else. */
  async #switch(
    serving: Serving,
    request: IncomingMessage,
    response: ServerResponse,
    visited: Visited,
    visit: Visit,
    offer: Offer,
  ): Promise<void> {
    let tunnel: OpenTunnel | undefined;
    try {
      await this.#pass(serving, request, response, visited, visit, {
        ...offer,
        finish: () => visit.finish({ status: 101, cacheControl: undefined }),
        used: () => visit.used(),
        opened: (opened) => {
          tunnel = opened;
          visited.switched = true;
          this.#tunnels.add(opened);
          if (this.#goingAway) sendAway(opened);
        },
      });
      await tunnel?.over;
    } finally {
      // Any other answer closes it itself.
      if (tunnel !== undefined) {
        this.#tunnels.delete(tunnel);
        visit.close();
      }
    }
  }

  async #pass(
    { front, router, queries, redacted }: Serving,
    request: IncomingMessage,
    response: ServerResponse,
    visited: Visited,
    visit: Visit,
    upgrade?: UpgradeParts,
  ): Promise<void> {
    const { view, requestId } = visited;
    const statement = statementOf(view, request.url ?? '', queries, redacted);
    const noted = front.service.note(visit, statement);
    const exchange: Exchange = {
      request,
      response,
      session: visit.session,
      requestId,
      clientAddress: visited.client,
      scheme: view.secure ? 'https' : 'http',
      host: view.host ?? '',
      ...(upgrade && { upgrade }),
      onServer: (name) => {
        visited.server = name;
        noted?.answered(name);
      },
    };
    try {
      await front.service.pass(visit, exchange, () => router.handle(exchange));
    } finally {
      noted?.end();
    }
  }

  #fail(error: unknown, response: ServerResponse, visited: Visited): void {
    const { visit, view } = visited;
    const refusal = visit?.refuse(error);
    if (refusal === undefined) {
      const message = `${view.method} ${view.path} could not be handled`;
      this.#logs.log('error', message, { service: this.service, err: error });
    }
    if (error instanceof SessionError && error.code === 'MODULE_MISSING')
      answerProblem(response, gatewayProblem(503, `The request could not be handled: ${error.message}.`));
    else if (refusal === undefined || response.headersSent)
      answerProblem(response, gatewayProblem(500, 'The request could not be handled.'));
    else {
      visited.code = refusal.code;
      answerRefusal(response, refusal);
    }
  }

  #log({ name, service }: ListenerConfig, line: Readonly<Record<string, unknown>>): void {
    this.#logs.access({ listener: name, service, ...line });
  }
}
