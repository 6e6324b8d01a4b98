import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Connections } from './connections.js';
import { refuseConnection } from './problems.js';
import type { TrafficCount } from './traffic.js';
import { readAsUsual, wantsWebSocket } from './upgrades.js';

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

export interface PortParts {
  readonly traffic: TrafficCount;
  onRequest(request: IncomingMessage, response: ServerResponse, connections: Connections): void;
  /** A request to switch to a WebSocket: nobody else reads from the socket. */
  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer, connections: Connections): void;
  /** Something that is no HTTP was refused. */
  onMalformed(client: string | undefined, status: number, code: string | undefined): void;
  /** A connection could not be accepted. */
  onError(error: Error): void;
}

/** One time of listening on an address: from when connections are taken until the last of them is closed. */
export class Port {
  readonly #server: Server;
  readonly connections: Connections;
  /** A connection is told of again when its request was offered another protocol. */
  readonly #seen = new WeakSet<Socket>();
  #closed: Promise<void> | undefined;

  private constructor({ traffic, onRequest, onUpgrade, onMalformed }: PortParts) {
    const accept = (request: IncomingMessage, response: ServerResponse) =>
      onRequest(request, response, this.connections);
    this.#server = createServer(SERVER_OPTIONS, accept);
    this.#server.on('upgrade', (request, socket: Socket, head) => {
      this.connections.whenFree(socket, () => {
        if (wantsWebSocket(request)) onUpgrade(request, socket, head, this.connections);
        else readAsUsual(this.#server, request, socket, head);
      });
    });
    // Their size is bounded; of more than 2,000 node would drop some, such as what a proxy has appended.
    this.#server.maxHeadersCount = 0;
    // Node's own answer would be no problem document, and in no log.
    this.#server.on('checkExpectation', accept);
    this.#server.on('connection', (socket) => {
      if (this.#seen.has(socket)) return;
      this.#seen.add(socket);
      socket.once('close', traffic.connected());
    });
    this.connections = new Connections(this.#server);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (this.connections.isAwaited(socket)) {
        socket.destroy();
        return;
      }
      const status = refuseConnection(error, socket);
      if (status === undefined) return;
      onMalformed((socket as Partial<Socket>).remoteAddress, status, error.code);
    });
  }

  /** Rejects with node's own error when it cannot listen there. */
  static open(address: string, port: number, parts: PortParts): Promise<Port> {
    const made = new Port(parts);
    return new Promise((resolve, reject) => {
      made.#server.once('error', reject);
      made.#server.listen(port, address, () => {
        made.#server.off('error', reject);
        made.#server.on('error', parts.onError);
        resolve(made);
      });
    });
  }

  /** Undefined when it no longer listens. */
  get bound(): AddressInfo | undefined {
    return (this.#server.address() as AddressInfo | null) ?? undefined;
  }

  /** Takes no more connections from now on. Resolves when the requests under way are answered and all connections closed. */
  drain(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new Promise((resolve) => this.#server.close(() => resolve()));
      this.connections.drain();
    }
    return this.#closed;
  }
}
