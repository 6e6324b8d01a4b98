import { createServer, connect as dial, type Server as Listener, type Socket } from 'node:net';
import type { Place } from './configuration.js';
import { listening } from './listening.js';
import { Packets } from './packets.js';
import {
  durabilityOf,
  isReply,
  OPERATIONS,
  type Operation,
  opaqueOf,
  type Request,
  replyTo,
  requestIn,
} from './protocol.js';

/** What happens to requests of a kind, in place of an answer. */
export interface Fault {
  /** Left out: of every kind. */
  readonly operation?: Operation | undefined;
  /** `silence`: no answer; `cut`: the connection is reset; a number: that status. */
  readonly what: 'silence' | 'cut' | number;
  /** Only requests whose key has this. */
  readonly key?: string | undefined;
  /** Only requests that ask for durability. */
  readonly durable?: boolean | undefined;
  /** The request is done all the same, and only its answer is lost. */
  readonly applied?: boolean | undefined;
  /** How often; for ever when left out. */
  readonly times?: number | undefined;
}

/**
 * Stands before a node, be it the double or a real one, and reads what passes: counts requests, and does to them what a test asks for. Clients come by it where it is the
 * node's alternate address.
 */
export class Relay {
  readonly #target: Place;
  readonly #links = new Set<Link>();
  readonly #counts = new Map<Operation, number>();
  #faults: { fault: Fault; left: number }[] = [];
  #listener: Listener | undefined;
  #port = 0;

  constructor(target: Place) {
    this.#target = target;
  }

  /** Listens, the second time on the port of the first. */
  async start(): Promise<number> {
    const listener = createServer({ noDelay: true }, (client) => {
      const link = new Link(this, client, this.#target, () => this.#links.delete(link));
      this.#links.add(link);
    });
    this.#port = await listening(listener, this.#port);
    this.#listener = listener;
    return this.#port;
  }

  /** Resets all connections and takes no new ones. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener?.close(resolve));
    for (const link of this.#links) link.reset();
    if (this.#listener !== undefined) await closed;
    this.#listener = undefined;
  }

  /** Connections of clients that are open now. */
  connections(): number {
    return this.#links.size;
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  heal(): void {
    this.#faults = [];
  }

  /** Requests of each kind since the last call. */
  counts(): Partial<Record<Operation, number>> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }

  /** Counts a request, and says what is to happen to it. */
  faultFor(operation: Operation, { key, frames }: Request): Fault | undefined {
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1);
    const found = this.#faults.find(
      ({ fault, left }) =>
        left > 0 &&
        (fault.operation === undefined || fault.operation === operation) &&
        (fault.key === undefined || key.includes(fault.key)) &&
        (fault.durable !== true || durabilityOf(frames) > 0),
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.fault;
  }
}

/** One connection of a client, and its other half to the node. */
class Link {
  readonly #relay: Relay;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #gone: () => void;
  /** What becomes of the answers to requests that were let through, by what these are recognised by. */
  readonly #awaited = new Map<number, { readonly request: Request; readonly what: Fault['what'] }>();

  constructor(relay: Relay, client: Socket, target: Place, gone: () => void) {
    this.#relay = relay;
    this.#client = client;
    this.#gone = gone;
    this.#server = dial({ ...target, noDelay: true });
    const [asked, answered] = [new Packets(), new Packets()];
    client.on('data', (chunk: Buffer) => this.#forward(this.#server, asked.take(chunk), this.#asked));
    this.#server.on('data', (chunk: Buffer) => this.#forward(client, answered.take(chunk), this.#answered));
    for (const socket of [client, this.#server]) {
      socket.on('error', () => {});
      socket.on('close', () => this.reset());
    }
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#gone();
  }

  #forward(to: Socket, packets: readonly Buffer[], passes: (packet: Buffer) => boolean): void {
    const passing = packets.filter((packet) => passes(packet));
    if (passing.length > 0 && !to.destroyed) to.write(Buffer.concat(passing));
  }

  readonly #asked = (packet: Buffer): boolean => {
    const request = requestIn(packet);
    const operation = request && OPERATIONS.get(request.opcode);
    const fault = operation && this.#relay.faultFor(operation, request);
    if (request === undefined || fault === undefined) return true;
    const { what, applied = false } = fault;
    if (applied) this.#awaited.set(request.opaque, { request, what });
    else this.#instead(request, what);
    return applied;
  };

  readonly #answered = (packet: Buffer): boolean => {
    if (!isReply(packet)) return true;
    const opaque = opaqueOf(packet);
    const awaited = this.#awaited.get(opaque);
    if (awaited === undefined) return true;
    this.#awaited.delete(opaque);
    this.#instead(awaited.request, awaited.what);
    return false;
  };

  /** What the client gets in place of the answer. */
  #instead(request: Request, what: Fault['what']): void {
    if (what === 'cut') this.reset();
    else if (what !== 'silence') this.#client.write(replyTo(request, { status: what }));
  }
}
