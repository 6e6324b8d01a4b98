import type { Environment, Millis } from '@sessionkit/session-core';
import { type Cluster, type Collection, type ConnectOptions, connect } from 'couchbase';
import { down, faultOf } from './faults.js';
import { Scanner } from './scanner.js';
import type { Access } from './store.js';

/** How long one try to connect may take, and how long after it the next one begins: one that met silence does not keep the others waiting. */
const TRY: Millis = 2_000;
const NEXT_TRY: Millis = 400;

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
  /** Those that were given up, until what was asked on them is answered. */
  readonly #left = new Set<Cluster>();
  #connecting: Promise<void> | undefined;
  #answers = 0;
  #closed = false;

  constructor(login: Login) {
    this.#login = login;
    this.#scanner = new Scanner({ url: login.url, bucket: login.bucket, options: this.#options() });
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
    const open = [...this.#left, ...(this.#cluster === undefined ? [] : [this.#cluster])];
    this.#cluster = undefined;
    await Promise.all(open.map((cluster) => cluster.close()));
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
    const isDone = () => this.#closed || (this.#cluster !== undefined && this.#answers !== before);
    let told = false;
    while (!isDone()) {
      const tried = this.#tried().then(
        (cluster) => (isDone() ? cluster.close() : this.#change(cluster)),
        (error: unknown) => {
          if (!told && this.#cluster === undefined && !this.#closed)
            this.#login.log({
              level: 'error',
              message: 'couchbase: no connection yet; it is tried again',
              error: faultOf('connect', error),
            });
          told = true;
          return pause(NEXT_TRY);
        },
      );
      await Promise.race([tried, pause(NEXT_TRY)]);
    }
  }

  async #tried(): Promise<Cluster> {
    const cluster = await connect(this.#login.url, this.#options());
    try {
      const documents = this.#documents(cluster, '_default', '_default');
      await documents.exists('sessionkit', { timeout: TRY });
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** What is under way on the old one comes to its end. */
  #change(cluster: Cluster): void {
    const old = this.#cluster;
    this.#cluster = cluster;
    this.#answers += 1;
    for (const wake of this.#waiting) wake();
    if (old === undefined) return;
    this.#left.add(old);
    setTimeout(() => {
      if (this.#left.delete(old)) void old.close();
    }, this.#login.deadline).unref();
  }

  #options(): Pick<ConnectOptions, 'username' | 'password' | 'timeouts' | 'security'> {
    const { username, password, certificates, deadline } = this.#login;
    return {
      username,
      password,
      timeouts: { kvTimeout: deadline, bootstrapTimeout: TRY, connectTimeout: TRY },
      ...(certificates === undefined ? {} : { security: { trustStorePath: certificates } }),
    };
  }
}

function pause(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
