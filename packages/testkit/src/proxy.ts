import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { Millis } from '@sessionkit/session-core';
import { ProxyLink, type Trap } from './proxy-link.js';
import type { Address } from './store-harness.js';

/** Below the ports that systems give to clients: nobody takes ours while it refuses. */
const PORTS = { first: 25_000, last: 32_000 };
const TRIES = 200;

/** What a {@link FaultProxy} does with connections and with what is sent on them. */
export type ProxyMode = 'pass' | 'refuse' | 'swallow';

/**
 * Stands between a client and a server, and is the network that fails: it refuses, says nothing, is slow, or cuts an answer in the middle. Begins with
 * passing everything on.
 */
export class FaultProxy {
  /** Where clients find the proxy; the same for as long as it lives. */
  readonly address: Address;
  readonly #target: Address;
  readonly #links = new Set<ProxyLink>();
  readonly #traps: Trap[] = [];
  #server: Server;
  #mode: ProxyMode = 'pass';
  #delay: Millis = 0;
  #accepted = 0;

  private constructor(target: Address, server: Server, port: number) {
    this.#target = target;
    this.#server = server;
    this.address = { host: '127.0.0.1', port };
    this.#serve(server);
  }

  /** Listens on a loopback port of its own. */
  static async open(target: Address): Promise<FaultProxy> {
    for (let tries = 0; ; tries++) {
      const port = PORTS.first + Math.floor(Math.random() * (PORTS.last - PORTS.first));
      try {
        return new FaultProxy(target, await listen(port), port);
      } catch (error) {
        if (tries === TRIES) throw error;
      }
    }
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** Connections of clients that are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Connections that it has taken since it was opened. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Bytes that clients have sent and that are held back now. */
  get held(): number {
    return [...this.#links].reduce((sum, link) => sum + link.held, 0);
  }

  /**
   * Passes on again, without delay and without traps. What was held back arrives now, late, as after the outage of a network; with `lost` it never does, and the
   * connections that were silent stay so until their clients give them up, as when a firewall has forgotten them.
   */
  async pass({ lost = false }: { readonly lost?: boolean | undefined } = {}): Promise<void> {
    this.#traps.length = 0;
    this.#delay = 0;
    if (this.#mode === 'refuse') {
      this.#server = await listen(this.address.port);
      this.#serve(this.#server);
    }
    this.#mode = 'pass';
    for (const link of this.#links) {
      link.delay = 0;
      if (!link.silent) continue;
      if (lost) link.lose();
      else link.speak();
    }
  }

  /** Resets all connections and listens no more: connecting is refused. */
  async refuse(): Promise<void> {
    if (this.#mode === 'refuse') return;
    this.#mode = 'refuse';
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  /** Says nothing from now on: connections are taken, and what is sent on them, old or new, is held back. */
  swallow(): void {
    this.#mode = 'swallow';
    for (const link of this.#links) link.hush();
  }

  /** Each answer of the server comes `ms` later. */
  delay(ms: Millis): void {
    this.#delay = ms;
    for (const link of this.#links) link.delay = ms;
  }

  /** Resets the connections of now; new ones are welcome. */
  cut(): void {
    for (const link of this.#links) link.reset();
  }

  /**
   * The connection on which `text` is sent next is ended when `bytes` of what the server then answers have passed. The answered function
   * tells whether that has happened.
   */
  cutAnswer(text: string, bytes: number): () => boolean {
    return this.#trap(text, (link) => link.cutAfter(bytes));
  }

  /** The connection on which `text` is sent next is silent from then on; the text arrives. The answered function tells whether that has happened. */
  holdAnswer(text: string): () => boolean {
    return this.#trap(text, (link) => link.hush());
  }

  /** Ends all connections and listens no more. */
  async close(): Promise<void> {
    await this.refuse();
  }

  #trap(text: string, spring: (link: ProxyLink) => void): () => boolean {
    let sprung = false;
    this.#traps.push({
      text: Buffer.from(text),
      spring(link) {
        sprung = true;
        spring(link);
      },
    });
    return () => sprung;
  }

  #serve(server: Server): void {
    server.on('connection', (client: Socket) => {
      this.#accepted += 1;
      const upstream = () => dial(this.#target.port, this.#target.host);
      const link = new ProxyLink(client, upstream, this.#traps, () => this.#links.delete(link));
      this.#links.add(link);
      link.delay = this.#delay;
      if (this.#mode === 'swallow') link.hush();
      link.open();
    });
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true });
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}
