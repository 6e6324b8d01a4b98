import type { Socket } from 'node:net';
import type { Millis } from '@sessionkit/session-core';

/** Springs once, on the connection on which its text is sent. */
export interface Trap {
  readonly text: Buffer;
  spring(link: ProxyLink): void;
}

/** One connection of a client through a proxy, and its other half to the server, which is made when the first byte may pass. */
export class ProxyLink {
  readonly #client: Socket;
  readonly #dial: () => Socket;
  readonly #traps: Trap[];
  readonly #onGone: () => void;
  readonly #slow: { readonly bytes: Buffer; readonly timer: NodeJS.Timeout }[] = [];
  #delay: Millis = 0;
  #due = 0;
  #server: Socket | undefined;
  #silent = false;
  #lost = false;
  #clientGone = false;
  #requests: Buffer[] = [];
  #answers: Buffer[] = [];
  /** Bytes of answers that may pass before the connection is reset; undefined: all. */
  #left: number | undefined;

  /** @param traps those that wait; a sprung one is taken out. */
  constructor(client: Socket, dial: () => Socket, traps: Trap[], onGone: () => void) {
    this.#client = client;
    this.#dial = dial;
    this.#traps = traps;
    this.#onGone = onGone;
    client.on('data', (bytes: Buffer) => this.#asked(bytes));
    client.on('error', () => {});
    client.on('close', () => this.#clientClosed());
  }

  get silent(): boolean {
    return this.#silent;
  }

  /** Bytes of the client that are held back. */
  get held(): number {
    return this.#requests.reduce((sum, { length }) => sum + length, 0);
  }

  /** By how much answers are held up, in ms. None: those that are held up pass now. */
  set delay(ms: Millis) {
    this.#delay = ms;
    if (ms > 0) return;
    for (const { bytes, timer } of this.#slow.splice(0)) {
      clearTimeout(timer);
      this.#pass(bytes);
    }
  }

  open(): void {
    if (!this.#silent) this.#connect();
  }

  /** Nothing passes from now on, in either direction. */
  hush(): void {
    this.#silent = true;
  }

  /** What was held back passes, and whatever comes. */
  speak(): void {
    if (this.#lost) return;
    this.#silent = false;
    const server = this.#connect();
    if (server.destroyed) {
      this.reset();
      return;
    }
    for (const bytes of this.#requests.splice(0)) server.write(bytes);
    for (const bytes of this.#answers.splice(0)) this.#answer(bytes);
    if (this.#clientGone) this.#end();
  }

  /** Stays silent until the client goes. */
  lose(): void {
    this.#lost = true;
    this.#requests = [];
    this.#answers = [];
    if (this.#clientGone) this.reset();
  }

  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  reset(): void {
    this.#forget();
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
    this.#onGone();
  }

  #connect(): Socket {
    if (this.#server !== undefined) return this.#server;
    const server = this.#dial();
    this.#server = server;
    server.setNoDelay(true);
    server.on('data', (bytes: Buffer) => {
      if (this.#delay > 0) this.#later(bytes);
      else this.#pass(bytes);
    });
    server.on('error', () => {});
    // A server that has gone says so through a network that is silent no more than anything else.
    server.on('close', () => {
      if (!this.#silent || this.#clientGone) this.reset();
    });
    return server;
  }

  #asked(bytes: Buffer): void {
    const at = this.#traps.findIndex(({ text }) => bytes.includes(text));
    const [trap] = at < 0 ? [] : this.#traps.splice(at, 1);
    if (this.#silent) {
      if (!this.#lost) this.#requests.push(bytes);
      return;
    }
    this.#connect().write(bytes);
    trap?.spring(this);
  }

  #later(bytes: Buffer): void {
    const now = performance.now();
    this.#due = Math.max(this.#due, now + this.#delay);
    const timer = setTimeout(() => {
      this.#slow.shift();
      this.#pass(bytes);
    }, this.#due - now);
    this.#slow.push({ bytes, timer });
  }

  #pass(bytes: Buffer): void {
    if (this.#silent) this.#answers.push(bytes);
    else this.#answer(bytes);
  }

  #answer(bytes: Buffer): void {
    if (this.#left === undefined) {
      this.#client.write(bytes);
      return;
    }
    const passes = bytes.subarray(0, this.#left);
    this.#left -= passes.length;
    if (this.#left > 0 || this.#client.destroyed) {
      this.#client.write(passes);
      return;
    }
    // What has passed must have left this process before the reset throws it away.
    this.#client.write(passes, () => setImmediate(() => this.reset()));
    this.#left = 0;
    this.#silent = true;
  }

  #clientClosed(): void {
    this.#clientGone = true;
    // What it had sent is on its way still, and arrives when the silence ends.
    if (this.#silent && !this.#lost && this.#requests.length > 0) return;
    this.#end();
  }

  #end(): void {
    this.#forget();
    this.#server?.end();
    this.#onGone();
  }

  #forget(): void {
    for (const { timer } of this.#slow.splice(0)) clearTimeout(timer);
  }
}
