import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

interface Connection {
  /** The requests that are not answered to their end, each with what is to be done then. */
  readonly waiting: Map<() => void, Pick<IncomingMessage, 'complete'>>;
  /** The answer to the newest of them. */
  last: ServerResponse | undefined;
  /** What had come in when the last answer was over. */
  read: number;
  /** What had gone out when the last answer was finished. */
  written: number;
  /** What to do when nothing is waiting any more. */
  next: (() => void) | undefined;
}

const ignore = () => {};

/**
 * The connections of a server, so that it can stop without cutting an answer. Node's own `closeIdleConnections` takes an answer for finished as soon as
 * it was ended, with its bytes still waiting for a slow client.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>();
  #draining = false;

  constructor(server: Server) {
    server.on('connection', (socket) => {
      // Told of again when its request was offered another protocol.
      if (this.#open.has(socket)) return;
      const connection: Connection = {
        waiting: new Map(),
        last: undefined,
        read: 0,
        written: 0,
        next: undefined,
      };
      this.#open.set(socket, connection);
      socket.once('close', () => {
        this.#open.delete(socket);
        // Node does not tell pipelined answers that have not had their turn.
        for (const over of connection.waiting.keys()) over();
      });
    });
    // `server.close` calls it.
    server.closeIdleConnections = () => this.#closeIdle();
  }

  /** Connections on which somebody waits for an answer. */
  get busy(): number {
    let count = 0;
    for (const { waiting } of this.#open.values()) if (waiting.size > 0) count++;
    return count;
  }

  /** Whether a client would take what is written on it now for a part of an answer under way, or for the answer to an earlier request. */
  isAwaited(socket: Duplex): boolean {
    const { waiting, last } = this.#open.get(socket as Socket) ?? {};
    if (waiting === undefined || waiting.size === 0) return false;
    if (waiting.size > 1 || last?.headersSent) return true;
    return [...waiting.values()].some(({ complete }) => complete);
  }

  /**
   * Calls `act` as soon as no answer is under way on a connection that node has handed over; never when it closes before. Node hands over a pipelined
   * request while the answer before it still has the connection.
   */
  whenFree(socket: Socket, act: () => void): void {
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.waiting.size === 0) {
      act();
      return;
    }
    // Node has taken its own listener off. Its close says the same.
    socket.on('error', ignore);
    connection.next = () => {
      // What the answer before has set to end an idle connection.
      socket.setTimeout(0);
      socket.off('error', ignore);
      act();
    };
  }

  /**
   * A request has begun.
   * @param done Called once, when its answer is over or its connection gone, with the bytes that were written for it.
   */
  begin(request: IncomingMessage, response: ServerResponse, done: (bytes: number) => void): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined) {
      done(0);
      return;
    }
    let bytes: number | undefined;
    const measure = () => {
      if (bytes !== undefined) return bytes;
      bytes = socket.bytesWritten - connection.written;
      connection.written = socket.bytesWritten;
      return bytes;
    };
    const over = () => {
      if (!connection.waiting.delete(over)) return;
      done(measure());
      if (connection.waiting.size === 0) this.#free(socket, connection);
    };
    connection.waiting.set(over, request);
    connection.last = response;
    // Before node hands the connection to the next answer.
    response.prependOnceListener('finish', measure);
    response.once('close', over);
    if (this.#draining) response.shouldKeepAlive = false;
  }

  /** From now on a connection closes when its requests are answered; those under way say `Connection: close` if their head is not out. */
  drain(): void {
    this.#draining = true;
    for (const { last } of this.#open.values()) if (last !== undefined) last.shouldKeepAlive = false;
    this.#closeIdle();
  }

  /** Cuts all of them. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #free(socket: Socket, connection: Connection): void {
    const { next } = connection;
    connection.last = undefined;
    connection.next = undefined;
    if (next !== undefined && socket.writable) {
      next();
      return;
    }
    connection.read = socket.bytesRead;
    if (this.#draining) socket.destroySoon();
  }

  #closeIdle(): void {
    for (const [socket, { waiting, read }] of this.#open) {
      // More than had come in then: a request whose head is not whole yet.
      if (waiting.size === 0 && socket.bytesRead === read) socket.destroySoon();
    }
  }
}
