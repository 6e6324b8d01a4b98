import { isIP, type Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { Wire } from './connections.js';

/** What is dispatched: undici's options and who wants to know by which connection it goes. */
export interface GatedDispatch extends Dispatcher.DispatchOptions {
  /** Host of the server, for TLS; without it undici takes the name from `Host`, which clients choose. */
  readonly servername: string;
  readonly onGate: (gate: Gate) => void;
}

/**
 * Holds back what arrives on one connection, so that a slow client slows its server down.
 *
 * undici's own `pause()` stops the parser in the middle of bytes already taken from the socket. If the server then closes, as it may at the end of
 * any answer, undici 7 throws an assertion out of an event handler (nodejs/undici#5360; repaired in 8.x, which needs Node 22). A closed gate takes
 * no bytes from the socket instead: nothing is parsed, and the end is not seen before everything before it was.
 */
export class Gate {
  #socket: Socket | undefined;
  /** The connection; undefined until it is open for the first time. */
  wire: Wire | undefined;
  #closed = false;
  /** The connection failed. undici takes a reset for the end of an answer that is delimited by it. */
  failed = false;

  guard(socket: Socket): void {
    const read = socket.read;
    // A connection that was switched to a WebSocket is nobody's here, and another one has come in its place.
    const holds = (size: number | undefined) => this.#closed && this.#socket === socket && size !== 0;
    socket.read = (size) => (holds(size) ? null : read.call(socket, size));
    socket.prependListener('error', () => {
      if (this.#socket === socket) this.failed = true;
    });
    this.#socket = socket;
    this.wire = new Wire(socket);
    this.reset();
  }

  close(): void {
    this.#closed = true;
  }

  open(): void {
    if (!this.#closed) return;
    this.#closed = false;
    // Not at once: undici may be parsing another connection's bytes at this moment.
    process.nextTick(() => {
      if (!this.#closed) this.#socket?.emit('readable');
    });
  }

  /** The exchange that used the connection is over. undici looks for what has arrived by itself. */
  reset(): void {
    this.#closed = false;
    this.failed = false;
  }
}

/** One connection of a pool. It carries one exchange at a time. */
export class GatedClient extends Client {
  readonly #gate: Gate;

  constructor(origin: URL, options: Client.Options) {
    const gate = new Gate();
    const given = options.connect;
    const connect = typeof given === 'function' ? given : buildConnector(given ?? {});
    super(origin, {
      ...options,
      connect: (target, callback) =>
        connect(withName(target), (...result) => {
          const [, socket] = result;
          if (socket) gate.guard(socket);
          callback(...result);
        }),
    });
    this.#gate = gate;
  }

  override dispatch(options: GatedDispatch, handler: Dispatcher.DispatchHandler): boolean {
    options.onGate(this.#gate);
    return super.dispatch(options, handler);
  }
}

/** TLS knows no addresses as names of servers (RFC 6066 section 3). */
function withName(target: buildConnector.Options): buildConnector.Options {
  const { servername } = target;
  if (!servername || isIP(servername.replace(/^\[|\]$/g, '')) === 0) return target;
  return { ...target, servername: '' };
}
