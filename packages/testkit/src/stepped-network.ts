import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { Millis } from '@sessionkit/session-core';
import type { Address } from './store-harness.js';

/** For so long nobody has sent anything: what can be asked without an answer has been asked, and what can be answered has been answered. */
const QUIET: Millis = 40;

/**
 * Stands between a client and a store and counts round trips. While it counts, answers are held until nothing more is asked and nothing more is answered, and are then let
 * through together: so what a client asks without waiting for an answer is one round trip, over how many connections and in how many commands whatever, and the time that a server takes does not matter.
 */
export class SteppedNetwork {
  /** Where a client finds each of the targets, in their order. */
  readonly addresses: readonly Address[];
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  #held: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #counting = false;
  #steps = 0;
  #answered = 0;

  private constructor(servers: readonly Server[], targets: readonly Address[]) {
    this.#servers = servers;
    this.addresses = servers.map((server, at) => {
      server.on('connection', (client) => this.#link(client, targets[at] as Address));
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
      return { host: '127.0.0.1', port: address.port };
    });
  }

  /** Listens before each of `targets`, on loopback ports of its own. */
  static async open(targets: readonly Address[]): Promise<SteppedNetwork> {
    const servers = targets.map(() => createServer({ noDelay: true }).listen(0, '127.0.0.1'));
    await Promise.all(servers.map((server) => once(server, 'listening')));
    return new SteppedNetwork(servers, targets);
  }

  /** Bytes that the targets have answered while it last counted. */
  get answered(): number {
    return this.#answered;
  }

  /** Round trips that `task` waits for. One task at a time. */
  async count(task: () => Promise<unknown>): Promise<number> {
    this.#steps = 0;
    this.#answered = 0;
    this.#counting = true;
    try {
      await task();
      return this.#steps;
    } finally {
      this.#counting = false;
      this.#release();
    }
  }

  /** Ends all connections and listens no more. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #link(client: Socket, target: Address): void {
    const server = dial({ ...target, noDelay: true });
    client.on('data', (bytes) => {
      this.#stirred();
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!this.#counting) {
        client.write(bytes);
        return;
      }
      this.#answered += bytes.length;
      this.#held.push(() => client.write(bytes));
      this.#stirred();
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  #stirred(): void {
    if (!this.#counting) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#held.length === 0) return;
      this.#steps += 1;
      this.#release();
    }, QUIET);
  }

  #release(): void {
    clearTimeout(this.#timer);
    for (const pass of this.#held.splice(0)) pass();
  }
}
