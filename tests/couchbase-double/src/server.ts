import { createServer, type Server as Listener, type Socket } from 'node:net';
import { Bucket } from './bucket.js';
import { type Configuration, configurationOf, type Place } from './configuration.js';
import { Connection } from './connection.js';
import { listening } from './listening.js';
import { Management } from './management.js';

export interface Settings {
  readonly user: string;
  readonly password: string;
  readonly bucket: string;
}

/** Where a node listens: for documents, and for its REST interface. */
export interface Ports {
  readonly documents: number;
  readonly management: number;
}

const DEFAULT = '_default';

/** A node with one bucket. What a test does to it is a method. */
export class Server {
  readonly settings: Settings;
  readonly bucket = new Bucket();
  readonly #management = new Management(this);
  readonly #connections = new Set<Connection>();
  /** Names of the collections by their scopes. */
  readonly #scopes = new Map<string, Set<string>>([[DEFAULT, new Set([DEFAULT])]]);
  readonly #collectionIds = new Map<string, number>([[`${DEFAULT}.${DEFAULT}`, 0]]);
  #listener: Listener | undefined;
  #ports: Ports = { documents: 0, management: 0 };
  #external: Place | undefined;
  #revision = 1;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Listens, the second time on the ports of the first. */
  async start(): Promise<Ports> {
    const listener = createServer({ noDelay: true }, (socket: Socket) => {
      const connection = new Connection(this, socket, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
    const documents = await listening(listener, this.#ports.documents);
    const management = await this.#management.start(this.#ports.management);
    this.#listener = listener;
    this.#ports = { documents, management };
    return this.#ports;
  }

  /** Cuts all connections and takes no new ones. The documents stay. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener?.close(resolve));
    for (const connection of this.#connections) connection.cut();
    if (this.#listener !== undefined) await closed;
    this.#listener = undefined;
    await this.#management.stop();
  }

  /** Clients that ask for the network `external` are told to come by this address. */
  setExternal(place: Place | undefined): void {
    this.#external = place;
    this.#revision += 1;
  }

  /** What clients are told of the cluster; without a bucket nothing of its partitions. */
  configuration(bucket?: string): Configuration {
    return configurationOf(this.#ports, this.#revision, bucket, this.#external);
  }

  get scopes(): readonly { readonly name: string; readonly collections: readonly { name: string }[] }[] {
    return [...this.#scopes].map(([name, collections]) => ({
      name,
      collections: [...collections].map((collection) => ({ name: collection })),
    }));
  }

  hasScope(name: string): boolean {
    return this.#scopes.has(name);
  }

  /** False where it is there already. */
  addScope(name: string): boolean {
    if (this.#scopes.has(name)) return false;
    this.#scopes.set(name, new Set());
    return true;
  }

  /** False where it is there already, or its scope is not. */
  addCollection(scope: string, name: string): boolean {
    const collections = this.#scopes.get(scope);
    if (collections === undefined || collections.has(name)) return false;
    collections.add(name);
    // Ids of collections begin at 8.
    this.#collectionIds.set(`${scope}.${name}`, 7 + this.#collectionIds.size);
    return true;
  }

  /** @param path as `scope.collection` */
  collectionId(path: string): number | undefined {
    return this.#collectionIds.get(path);
  }

  /** Keys of a collection, in their order. */
  keys(path = `${DEFAULT}.${DEFAULT}`): string[] {
    const id = this.collectionId(path);
    if (id === undefined) throw new Error(`there is no collection ${path}`);
    return this.bucket.keys(id, () => true).map((bytes) => Buffer.from(bytes, 'latin1').toString());
  }

  clear(): void {
    this.bucket.clear();
  }

  /** Its clock goes on by so many seconds. */
  advance(seconds: number): void {
    this.bucket.advance(seconds);
  }
}
