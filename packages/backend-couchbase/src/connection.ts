import type { Environment, Millis } from '@sessionkit/session-core';
import { type Cluster, type Collection, type ConnectOptions, connect } from 'couchbase';
import { down, faultOf } from './faults.js';
import { Scanner } from './scanner.js';
import type { Access } from './store.js';

/** How long one try to connect may take while nobody answers, and how long it rests after one. */
const TRY: Millis = 750;
const REST: Millis = 100;

export interface Login {
  readonly url: string;
  readonly bucket: string;
  readonly username: string;
  readonly password: string;
  readonly certificates?: string | undefined;
  readonly deadline: Millis;
  readonly log: Environment['log'];
}

/**
 * A cluster of its own, connected in the background, and connected anew where it falls silent: the SDK goes on with a connection that a network has forgotten until TCP gives it up.
 */
export class Connection {
  readonly #login: Login;
  readonly #scanner: Scanner;
  readonly #waiting = new Set<() => void>();
  #cluster: Cluster | undefined;
  #connecting: Promise<void> | undefined;
  #answers = 0;
  #closed = false;

  constructor(login: Login) {
    this.#login = login;
    this.#scanner = new Scanner({ url: login.url, bucket: login.bucket, options: this.#options(TRY) });
    this.#connect();
  }

  /** How documents of a collection are reached. */
  access(scope: string, collection: string): Access {
    return {
      collection: (within) => {
        const cluster = this.#cluster;
        return cluster === undefined
          ? this.#awaited(scope, collection, within)
          : this.#documents(cluster, scope, collection);
      },
      answered: () => {
        this.#answers += 1;
      },
      silent: () => this.#connect(),
      scan: (range, within) => this.#scanner.scan(scope, collection, range, within),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#scanner.close();
    for (const wake of this.#waiting) wake();
    await this.#connecting;
    await this.#cluster?.close();
    this.#cluster = undefined;
  }

  async #awaited(scope: string, collection: string, within: Millis): Promise<Collection> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, within);
      this.#waiting.add(wake);
    });
    if (this.#cluster === undefined) throw down('Couchbase is not reachable: there is no connection');
    return this.#documents(this.#cluster, scope, collection);
  }

  #documents(cluster: Cluster, scope: string, collection: string): Collection {
    return cluster.bucket(this.#login.bucket).scope(scope).collection(collection);
  }

  #connect(): void {
    if (this.#closed) return;
    this.#connecting ??= this.#connected().finally(() => {
      this.#connecting = undefined;
    });
  }

  /** Tries until there is a connection on which somebody answers, be it the old one. */
  async #connected(): Promise<void> {
    const before = this.#answers;
    let told = false;
    while (!this.#closed && (this.#cluster === undefined || this.#answers === before)) {
      const cluster = await this.#tried().catch((error: unknown) => {
        if (!told && this.#cluster === undefined)
          this.#login.log({
            level: 'error',
            message: 'couchbase: no connection yet; it is tried again',
            error: faultOf('connect', error),
          });
        told = true;
        return undefined;
      });
      if (cluster === undefined) await new Promise((resolve) => setTimeout(resolve, REST));
      else await this.#changed(cluster);
    }
  }

  async #tried(): Promise<Cluster> {
    const cluster = await connect(this.#login.url, this.#options(TRY));
    try {
      const documents = this.#documents(cluster, '_default', '_default');
      await documents.exists('sessionkit', { timeout: TRY });
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  async #changed(cluster: Cluster): Promise<void> {
    const old = this.#cluster;
    this.#cluster = cluster;
    this.#answers += 1;
    for (const wake of this.#waiting) wake();
    await old?.close();
  }

  #options(
    bootstrapTimeout: Millis,
  ): Pick<ConnectOptions, 'username' | 'password' | 'timeouts' | 'security'> {
    const { username, password, certificates, deadline } = this.#login;
    return {
      username,
      password,
      timeouts: { kvTimeout: deadline, bootstrapTimeout, connectTimeout: bootstrapTimeout },
      ...(certificates === undefined ? {} : { security: { trustStorePath: certificates } }),
    };
  }
}
