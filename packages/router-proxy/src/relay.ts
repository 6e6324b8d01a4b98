import { STATUS_CODES } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { type Exchange, type ServerTarget, SessionEnded, SessionError } from '@sessionkit/session-core';
import type { Dispatcher } from 'undici';
import { counted, type Use } from './connections.js';
import { dropLength, earlyHints, latin1, upstreamFields } from './down.js';
import { EventStream } from './event-stream.js';
import { inPairs, transferCoding } from './fields.js';
import type { Gate } from './gate.js';
import * as problems from './problem.js';
import { cut, type Problem, sendProblem } from './problem.js';
import { whenClosed } from './sockets.js';
import { MalformedSteering, obey, readSteering, steeringFields } from './steering.js';
import { openTunnel, upgradeHead } from './upgrade.js';
import type { Upstream, Wiring } from './upstream.js';

type Controller = Dispatcher.DispatchController;

/** What is sent upstream. */
export interface Outgoing {
  readonly method: string;
  readonly target: string;
  readonly fields: string[];
  readonly hasBody: boolean;
}

/**
 * `waiting` for the head of the upstream's answer; `deciding`: what it says to the session is being done; `open`: the head is written and the body follows;
 * `over`.
 */
type Phase = 'waiting' | 'deciding' | 'open' | 'over';

const NOTHING = Buffer.alloc(0);
const OVER = new Error('the exchange is over');
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT']);
const TEXT = /^[\t\x20-\x7e\x80-\xff]+$/;

/** One request on its way to an upstream, and the answer on its way back. */
export class Relay implements Dispatcher.DispatchHandler {
  /** Resolves when the answer is finished or cut. Never rejects. */
  readonly done: Promise<void>;
  #resolve: () => void = () => {};
  readonly #wiring: Wiring;
  readonly #exchange: Exchange;
  readonly #outgoing: Outgoing;
  /** Not tried yet, the next one first. */
  readonly #servers: Upstream[];
  #upstream: Upstream | undefined;
  #phase: Phase = 'waiting';
  #controller: Controller | undefined;
  #gate: Gate | undefined;
  #use: Use | undefined;
  #events: EventStream | undefined;
  /** The server waits for a client that does not read. */
  #heldBack = false;
  /** Fires when no connection became free in time. */
  #queued: NodeJS.Timeout | undefined;
  #signal: AbortSignal | undefined;
  /** Body that arrived while deciding: the rest of what had been read with the head. */
  #early: Buffer[] = [];
  #trailers: string[] | undefined;
  #wrote = false;

  constructor(wiring: Wiring, exchange: Exchange, outgoing: Outgoing, servers: Upstream[]) {
    this.#wiring = wiring;
    this.#exchange = exchange;
    this.#outgoing = outgoing;
    this.#servers = servers;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  start(): void {
    const { response, request } = this.#exchange;
    if (response.destroyed || request.socket.destroyed) {
      this.#closed();
      return;
    }
    whenClosed(request, response, this.#closed);
    response.on('drain', () => this.#openGate());
    response.on('error', () => response.destroy());
    this.#watch();
    if (this.#phase === 'waiting') this.#dispatch();
  }

  onRequestStart(controller: Controller): void {
    clearTimeout(this.#queued);
    this.#controller = controller;
    this.#count();
    if (this.#phase === 'over') controller.abort(OVER);
  }

  /** The server has switched to a WebSocket. What it says to the session with that is not obeyed: there is no head that could hand out a token. */
  onRequestUpgrade(
    _controller: Controller,
    _status: number,
    headers: Record<string, string | string[]>,
    server: Duplex,
  ): void {
    this.#upstream?.switched(server);
    this.#use?.read();
    const { upgrade } = this.#exchange;
    if (upgrade === undefined || this.#phase !== 'waiting') {
      server.destroy();
      return;
    }
    this.#phase = 'deciding';
    this.#exchange.onServer(this.#upstream?.server.name ?? '');
    server.on('error', () => server.destroy());
    upgrade
      .finish()
      .then((fields) => {
        const head = upgradeHead(headers, fields, this.#wiring.carriers);
        const gone = this.#phase === 'over';
        const use = this.#use;
        this.#use = undefined;
        this.#controller = undefined;
        this.#phase = 'over';
        if (gone) {
          server.destroy();
          use?.end();
        } else openTunnel(this.#exchange, upgrade, { head, server, use });
        this.#closed();
      })
      .catch((fault: unknown) => {
        server.destroy();
        this.#refuse(fault);
      });
  }

  onResponseStart(controller: Controller, status: number, _decoded: unknown, text?: string): void {
    this.#use?.read();
    if (this.#phase !== 'waiting') return;
    const raw = latin1(controller.rawHeaders);
    if (status < 200) {
      if (status === 103) earlyHints(this.#exchange, raw, this.#wiring.carriers);
      return;
    }
    const server = this.#upstream?.server as ServerTarget;
    if ((transferCoding(raw) ?? 'chunked') !== 'chunked') {
      this.#fail(problems.BAD_ANSWER, 'its Transfer-Encoding is more than chunked, which nobody asked for');
      return;
    }
    this.#exchange.onServer(server.name);
    const open = () => this.#open(status, text, upstreamFields(raw, this.#wiring.carriers));
    const said = steeringFields(raw);
    if (said !== undefined) this.#exchange.steered = true;
    if (said === undefined || !server.steer) {
      if (said !== undefined) this.#wiring.mayNotSteer(server);
      open();
      return;
    }
    try {
      const steering = readSteering(said);
      this.#phase = 'deciding';
      this.#gate?.close();
      obey(steering, this.#exchange.session).then(open, (fault: unknown) => this.#refuse(fault));
    } catch (fault) {
      this.#refuse(fault);
    }
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    this.#use?.read();
    if (this.#phase === 'deciding') this.#early.push(chunk);
    else if (this.#phase === 'open') this.#write(chunk);
  }

  onResponseEnd(controller: Controller): void {
    const failed = this.#gate?.failed === true;
    this.#release();
    if (this.#phase === 'over') return;
    if (failed) {
      this.#fail(problems.UNREACHABLE, 'the connection broke in the middle of an answer');
      return;
    }
    this.#trailers = upstreamFields(latin1(controller.rawTrailers), this.#wiring.carriers);
    if (this.#phase === 'open') this.#finish();
  }

  onResponseError(_controller: Controller | undefined, error: Error): void {
    const sent = this.#controller !== undefined;
    clearTimeout(this.#queued);
    this.#release();
    if (this.#phase === 'over') return;
    const code = 'code' in error ? String(error.code) : error.name;
    const reason = `${code}: ${error.message}`;
    if (!sent && this.#servers.length > 0 && !this.#outgoing.hasBody && SAFE.has(this.#outgoing.method)) {
      this.#log(`${reason}; trying the next server`);
      this.#dispatch();
      return;
    }
    if (TIMEOUTS.has(code)) this.#fail(problems.TOO_SLOW, reason);
    else if (code === 'UND_ERR_INVALID_ARG') this.#fail(problems.BAD_REQUEST, reason);
    else this.#fail(problems.UNREACHABLE, reason);
  }

  #dispatch(): void {
    const upstream = this.#servers.shift() as Upstream;
    this.#upstream = upstream;
    const { request } = this.#exchange;
    const { method, target, fields, hasBody } = this.#outgoing;
    const { connections, responseTimeout } = this.#wiring;
    if (connections !== undefined) {
      this.#queued = setTimeout(
        () => this.#fail(problems.TOO_SLOW, 'no connection became free in time'),
        responseTimeout,
      );
    }
    upstream.dispatch(
      {
        method,
        path: target,
        headers: fields,
        ...(this.#exchange.upgrade && { upgrade: 'websocket' }),
        // An async iterable, which the type does not know. The stream itself would take the client's connection with it when it fails.
        body: hasBody ? (counted(request, () => this.#use) as unknown as Readable) : null,
        onGate: (gate) => {
          this.#gate = gate;
        },
      },
      this,
    );
  }

  /** What goes over the connection is counted for the session. */
  #count(): void {
    const { session, response } = this.#exchange;
    const { id } = session;
    const wire = this.#gate?.wire;
    const server = this.#upstream?.server;
    if (id === undefined || wire === undefined || server === undefined) return;
    this.#use = this.#wiring.sessions.begin(id, server.name, wire, () => response.writableLength);
    this.#use.write();
  }

  #closeGate(): void {
    this.#gate?.close();
    // An answer that waits until its session is stored waits for no client.
    if (this.#heldBack || !this.#exchange.response.writableNeedDrain) return;
    this.#heldBack = true;
    this.#use?.high();
  }

  #openGate(): void {
    this.#gate?.open();
    if (!this.#heldBack) return;
    this.#heldBack = false;
    this.#use?.low();
  }

  /** Is told when the session ends. A session that is about to be created counts as well. */
  #watch(): void {
    const { session } = this.#exchange;
    if (this.#signal !== undefined || session.id === undefined) return;
    this.#signal = session.signal;
    if (this.#signal.aborted) this.#sessionEnded();
    else this.#signal.addEventListener('abort', this.#sessionEnded);
  }

  readonly #sessionEnded = (): void => {
    const reason: unknown = this.#signal?.reason;
    const cause = reason instanceof SessionEnded ? reason.endCause : undefined;
    const stop = () => this.#stop(problems.ended(cause));
    if (this.#phase !== 'open' || this.#events === undefined) stop();
    else if (this.#events.end(cause, stop)) this.#toldEnd();
  };

  /** The last event went out: nothing of the upstream may follow. */
  #toldEnd(): void {
    this.#phase = 'over';
    this.#abort();
  }

  #open(status: number, text: string | undefined, fields: string[]): void {
    const { request, response } = this.#exchange;
    if (this.#phase === 'over' || response.destroyed) return;
    this.#watch();
    if (status === 204) dropLength(fields);
    // What is left of the upload is not wanted.
    if (!request.complete) fields.push('Connection', 'close');
    try {
      response.writeHead(status, text && TEXT.test(text) ? text : (STATUS_CODES[status] ?? ''), fields);
    } catch (error) {
      this.#fail(problems.BAD_ANSWER, `its head can't be written: ${(error as Error).message}`);
      return;
    }
    this.#phase = 'open';
    this.#events = EventStream.of(response, status, fields);
    // undici takes the Content-Length of a 304 for a promise of a body.
    if (request.method === 'HEAD' || status === 304 || status === 204) {
      this.#finish();
      return;
    }
    let more = true;
    for (const chunk of this.#early.splice(0)) more = this.#write(chunk);
    if (this.#trailers !== undefined) {
      this.#finish();
      return;
    }
    if (more) this.#openGate();
    // A head without a body yet must not wait for it. flushHeaders() would write it as UTF-8.
    process.nextTick(() => {
      if (this.#phase === 'open' && !this.#wrote) response.write(NOTHING);
    });
  }

  #write(chunk: Buffer): boolean {
    this.#wrote = true;
    const more = this.#exchange.response.write(chunk);
    if (this.#events?.pass(chunk) === false) this.#toldEnd();
    if (!more) this.#closeGate();
    return more;
  }

  #finish(): void {
    const { response } = this.#exchange;
    this.#phase = 'over';
    if (this.#trailers !== undefined && this.#trailers.length > 0) {
      try {
        response.addTrailers(inPairs(this.#trailers));
      } catch (error) {
        this.#log(`its trailers can't be written: ${(error as Error).message}`);
        cut(this.#exchange.request, response);
        return;
      }
    }
    response.end();
  }

  /** The verbs could not do what the upstream's head says, or it says nothing that can be done. */
  #refuse(fault: unknown): void {
    if (fault instanceof MalformedSteering) {
      this.#fail(problems.BAD_ANSWER, fault.message);
      return;
    }
    const refused = fault instanceof SessionError ? problems.refused(fault) : undefined;
    this.#fail(refused ?? problems.BAD_ANSWER, 'what it says to the session could not be done', fault);
  }

  #fail(problem: Problem, reason: string, error?: unknown): void {
    if (this.#phase === 'over') return;
    this.#log(reason, error);
    this.#stop(problem);
  }

  /** Ends the exchange: with a problem while the head has not been written, else by a cut. */
  #stop(problem: Problem): void {
    const { request, response } = this.#exchange;
    const phase = this.#phase;
    if (phase === 'over') return;
    this.#phase = 'over';
    this.#abort();
    if (phase === 'open' || response.headersSent) cut(request, response);
    else if (!response.destroyed) sendProblem(request, response, problem);
  }

  /** The answer is over, or the client has gone. */
  readonly #closed = (): void => {
    this.#phase = 'over';
    this.#early = [];
    clearTimeout(this.#queued);
    this.#signal?.removeEventListener('abort', this.#sessionEnded);
    this.#events?.close();
    this.#use?.end();
    this.#abort();
    this.#resolve();
  };

  #abort(): void {
    this.#controller?.abort(OVER);
  }

  /** The connection may carry other exchanges from now on. */
  #release(): void {
    this.#openGate();
    this.#use?.end();
    this.#use = undefined;
    this.#gate?.reset();
    this.#gate = undefined;
    this.#controller = undefined;
  }

  #log(reason: string, error?: unknown): void {
    const { environment, service } = this.#wiring;
    const { requestId, session } = this.#exchange;
    environment.log({
      level: 'warning',
      message: `server "${this.#upstream?.server.name}": ${reason} (request ${requestId})`,
      service,
      session: session.id,
      ...(error !== undefined && { error }),
    });
  }
}
