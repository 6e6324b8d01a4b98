import type { Duplex } from 'node:stream';
import type { Millis, ServerStatus, ServerTarget } from '@sessionkit/session-core';
import { type Client, type Dispatcher, Pool } from 'undici';
import type { Connections } from './connections.js';
import { GatedClient, type GatedDispatch } from './gate.js';
import type { Settings } from './options.js';

/** What the exchanges of a router share. */
export interface Wiring extends Settings {
  /** Tells the log, once per server, that one tries to steer which may not. */
  readonly mayNotSteer: (server: ServerTarget) => void;
  readonly sessions: Connections;
}

/** A server and the connections to it. */
export class Upstream {
  readonly server: ServerTarget;
  readonly #servername: string;
  readonly #pool: Pool;
  #reachable: { readonly now: boolean; readonly since: Millis } | undefined;
  #connected = 0;
  /** Connections that were switched to WebSockets, and that the pool knows no more. */
  #switched = 0;
  #sent = 0;

  constructor(server: ServerTarget, { connections, connectTimeout, responseTimeout, environment }: Settings) {
    const url = new URL(server.url);
    this.server = server;
    this.#servername = url.hostname;
    this.#pool = new Pool(url.origin, {
      connections: connections ?? null,
      connect: { timeout: connectTimeout },
      headersTimeout: responseTimeout,
      // An answer may be a stream of events that is silent for hours.
      bodyTimeout: 0,
      factory: (origin, options) => new GatedClient(origin, options as Client.Options),
    });
    const reached = (now: boolean) => {
      if (this.#reachable?.now !== now) this.#reachable = { now, since: environment.now() };
    };
    this.#pool.on('connect', () => {
      this.#connected++;
      reached(true);
    });
    this.#pool.on('connectionError', () => reached(false));
  }

  status(): ServerStatus {
    const { connected, running } = this.#pool.stats;
    return {
      name: this.server.name,
      reachable: this.#reachable?.now,
      changedAt: this.#reachable?.since,
      connections: connected + this.#switched,
      totalConnections: this.#connected,
      activeRequests: running,
      totalRequests: this.#sent,
    };
  }

  dispatch(options: Omit<GatedDispatch, 'servername'>, handler: Dispatcher.DispatchHandler): void {
    this.#sent++;
    const gated: GatedDispatch = { ...options, servername: this.#servername };
    this.#pool.dispatch(gated, handler);
  }

  /** A connection is a WebSocket from now on. */
  switched(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#switched++;
    socket.once('close', () => {
      this.#switched--;
    });
  }

  /** Resolves when the last exchange is over; idle connections close at once. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
