import { createServer, type Server as Listener, type Socket } from 'node:net';
import { Bucket, type Stored } from './bucket.js';
import { configurationOf, type Place } from './configuration.js';
import { Connection } from './connection.js';
import type { Operation, Request } from './protocol.js';

/** As every SDK marks a document of JSON. */
const JSON_FLAGS = 0x02000000;

/** What happens to requests of a kind, in place of an answer. */
export interface Fault {
  readonly operation: Operation;
  /** `silence`: no answer; `cut`: the connection is reset; a number: that status. */
  readonly what: 'silence' | 'cut' | number;
  /** Only requests whose key has this. */
  readonly key?: string | undefined;
  /** The request is done all the same, and only its answer is lost. */
  readonly applied?: boolean | undefined;
  /** How often; for ever when left out. */
  readonly times?: number | undefined;
}

export interface Settings {
  readonly user: string;
  readonly password: string;
  readonly bucket: string;
  /** Collections beside the default one, as `scope.collection`. */
  readonly collections: readonly string[];
}

export interface Shown {
  readonly value: string;
  readonly cas: string;
  readonly expiry: number;
}

/** A node with one bucket. What a test does to it is a method. */
export class Server {
  readonly settings: Settings;
  readonly bucket = new Bucket();
  readonly #alternates = new Map<string, Place>();
  readonly #connections = new Set<Connection>();
  readonly #counts = new Map<Operation, number>();
  #faults: { fault: Fault; left: number }[] = [];
  #listener: Listener | undefined;
  #port = 0;
  /** Whether writes that ask for durability find enough replicas. */
  #durable = true;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Listens, the second time on the port of the first. */
  async start(): Promise<number> {
    const listener = createServer({ noDelay: true }, (socket: Socket) => {
      const connection = new Connection(this, socket, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
    this.#listener = listener;
    this.#port = address.port;
    return this.#port;
  }

  /** Cuts all connections and takes no new ones. The documents stay. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener?.close(resolve));
    for (const connection of this.#connections) connection.cut();
    if (this.#listener !== undefined) await closed;
    this.#listener = undefined;
  }

  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  connections(): number {
    return this.#connections.size;
  }

  /** Clients that ask for the network `name` are told to come by this address. */
  advertise(name: string, place: Place): void {
    this.#alternates.set(name, place);
  }

  configuration(bucket: string | undefined): string {
    return configurationOf(this.#port, bucket, this.#alternates);
  }

  collectionId(path: string): number | undefined {
    if (path === '_default._default') return 0;
    const at = this.settings.collections.indexOf(path);
    // Ids of collections begin at 8.
    return at < 0 ? undefined : at + 8;
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  heal(): void {
    this.#faults = [];
    this.#durable = true;
  }

  durable(possible: boolean): void {
    this.#durable = possible;
  }

  get isDurable(): boolean {
    return this.#durable;
  }

  /** Counts a request, and says what is to happen to it. */
  faultFor(operation: Operation, { key }: Request): Fault | undefined {
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1);
    const found = this.#faults.find(
      ({ fault, left }) =>
        left > 0 && fault.operation === operation && (fault.key === undefined || key.includes(fault.key)),
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.fault;
  }

  /** Requests of each kind since the last call. */
  counts(): Partial<Record<Operation, number>> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }

  keys(collection = '_default._default'): string[] {
    return this.bucket.keys(this.collectionId(collection) ?? 0, () => true).map(asText);
  }

  show(key: string, collection = '_default._default'): Shown | undefined {
    const found: Stored | undefined = this.bucket.find(this.collectionId(collection) ?? 0, asBytes(key));
    if (found === undefined) return undefined;
    return { value: found.value.toString(), cas: `${found.cas}`, expiry: found.expiry };
  }

  /** Writes past all rules; the expiry stays as it is. */
  write(key: string, value: string, collection = '_default._default'): void {
    const id = this.collectionId(collection) ?? 0;
    const { flags = JSON_FLAGS, expiry = 0 } = this.bucket.find(id, asBytes(key)) ?? {};
    this.bucket.upsert(id, asBytes(key), Buffer.from(value), { cas: 0n, flags, expiry });
  }

  clear(): void {
    this.bucket.clear();
  }

  /** Its clock goes on by so many seconds. */
  advance(seconds: number): void {
    this.bucket.advance(seconds);
  }
}

/** Keys are bytes; as text of one character for each they can be compared and be members of a map. */
function asBytes(key: string): string {
  return Buffer.from(key).toString('latin1');
}

function asText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
