import type { Duplex } from 'node:stream';
import type { Use } from './connections.js';
import { closeFrame, Frames } from './frames.js';

/** How long a frame under way has to end before ours is sent, in ms. */
const FRAME_GRACE = 100;
/** How long the client has to close its side, in ms. */
const CLOSE_GRACE = 1_000;
/** How long it has to take what the server said last, in ms. */
const LAST_GRACE = 30_000;

export interface TunnelParts {
  /** The client's connection. */
  readonly client: Duplex;
  /** What has come from it behind the head. */
  readonly head: Buffer;
  readonly server: Duplex;
  /** Counts for the session; undefined without one. */
  readonly use: Use | undefined;
  /** Something came from the client: the session is used. */
  onClientData(): void;
}

/** A WebSocket between a client and a server: bytes pass as they are, both ways, no faster than the slower side takes them. */
export class Tunnel {
  /** Resolves when both sides are closed. */
  readonly over: Promise<void>;
  readonly #parts: TunnelParts;
  readonly #down = new Frames();
  /** The close frame that waits for the end of the frame under way. */
  #closing: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    const { client, server, head } = parts;
    this.over = Promise.all([closed(client), closed(server)]).then(() => this.#finish());
    // What goes wrong with one side ends both; `close` follows.
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    client.on('data', (chunk: Buffer) => this.#up(chunk));
    server.on('data', (chunk: Buffer) => this.#fromServer(chunk));
    client.on('drain', () => {
      server.resume();
      parts.use?.low();
    });
    server.on('drain', () => client.resume());
    client.on('end', () => server.end());
    server.on('end', () => client.end());
    client.on('close', () => server.destroy());
    server.on('close', () => this.#serverGone());
    if (head.length > 0) this.#up(head);
  }

  /** Says to the client, after the frame under way, why it is over (RFC 6455 section 7.4), and closes both sides. */
  end(code: number, reason: string): void {
    const { client, server } = this.#parts;
    if (this.#closing !== undefined || this.#down.closed || client.destroyed) return;
    // The server has gone without a word, and nothing can be said behind what it said last.
    if (client.writableEnded) {
      client.destroy();
      return;
    }
    this.#closing = closeFrame(code, reason);
    client.removeAllListeners('data');
    client.resume();
    if (this.#down.whole) this.#sendClose();
    else {
      server.resume();
      this.#timer = setTimeout(() => client.destroy(), FRAME_GRACE);
    }
  }

  #up(chunk: Buffer): void {
    const { client, server, use, onClientData } = this.#parts;
    onClientData();
    use?.write();
    if (!server.write(chunk)) client.pause();
  }

  #fromServer(chunk: Buffer): void {
    const { use } = this.#parts;
    use?.read();
    if (this.#closing === undefined) {
      this.#down.pass(chunk);
      this.#toClient(chunk);
      return;
    }
    const rest = chunk.subarray(0, this.#down.passFrame(chunk));
    if (rest.length > 0) this.#parts.client.write(rest);
    if (this.#down.whole) this.#sendClose();
  }

  #toClient(chunk: Buffer): void {
    const { client, server, use } = this.#parts;
    if (client.write(chunk)) return;
    server.pause();
    use?.high();
  }

  #sendClose(): void {
    const { client, server } = this.#parts;
    clearTimeout(this.#timer);
    server.removeAllListeners('data');
    server.destroy();
    client.end(this.#closing);
    this.#timer = setTimeout(() => client.destroy(), CLOSE_GRACE);
  }

  #serverGone(): void {
    const { client } = this.#parts;
    if (this.#closing !== undefined || client.destroyed) return;
    // What the client says now goes nowhere. Left unread, it would have the system drop what is still on its way to the client.
    client.removeAllListeners('data');
    client.resume();
    this.#timer = setTimeout(() => client.destroy(), LAST_GRACE);
    client.end(() => {
      clearTimeout(this.#timer);
      if (client.destroyed) return;
      // A client that does not close its side is not waited for.
      this.#timer = setTimeout(() => client.destroy(), CLOSE_GRACE);
    });
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#parts.use?.end();
  }
}

function closed(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', resolve);
  });
}
