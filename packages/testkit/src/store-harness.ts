import type { Backend, Environment, Millis, SessionId } from '@sessionkit/session-core';

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ConnectOptions {
  /** Where the backend finds each of the store's `addresses`, in their order: a proxy before each. Left out: the addresses themselves. */
  readonly via?: readonly Address[] | undefined;
  /** Connections that it may have at most, where its client has a pool. */
  readonly pool?: number | undefined;
  /** How long core waits for it, in ms: the backend refuses writes that arrive later. Left out: what core waits by default. */
  readonly deadline?: Millis | undefined;
  /** The store's own promise to keep what it has acknowledged, `durable: true` in YAML, where the backend has that option. */
  readonly durable?: boolean | undefined;
  /** What its modules are given, and log to. Left out: the environment of the process, with a log that nobody reads. */
  readonly environment?: Environment | undefined;
}

/** A store while it runs: what the fault, race and hostile-value suites do to it. */
export interface RunningStore {
  /** Every address that a client of the store talks to. */
  readonly addresses: readonly Address[];
  /**
   * A backend as an application gets it from its YAML: the resource's module makes the client, and `close` gives back both. The store need
   * not be up.
   */
  connect(options?: ConnectOptions): Promise<Backend>;
  /** What is REALLY stored under an id, read past the backend; undefined when nothing is. */
  peek(id: SessionId): Promise<unknown>;
  /** Damages what is stored under an id so that it cannot be understood. */
  corrupt(id: SessionId): Promise<void>;
  /** What only a request has that stores this session, where a save asks for what is stored first. Left out: its id. */
  readonly saving?: ((id: SessionId) => string) | undefined;
  /** Connections of clients, as the servers count them; those of the harness itself are not among them. */
  connections(): Promise<number>;
  /** Ends every server as a power cut does. What the store has acknowledged it must still have after {@link restart}. */
  kill(): Promise<void>;
  /** Starts the killed servers again, at the same addresses, and waits until they answer. */
  restart(): Promise<void>;
  /** Ends a server that holds records as a power cut does, so that a replica takes over; answers when it has ended. Left out where there is no replica. */
  readonly failOver?: (() => Promise<void>) | undefined;
  /** Ends the servers and removes what they kept. */
  stop(): Promise<void>;
}

/** What the author of a backend gives to the suites that need a store of their own. */
export interface StoreHarness {
  /** As printed: `redis`, `redis cluster`. */
  readonly name: string;
  /** Its client has a pool, which `pool` bounds. Left out: it has not. */
  readonly pooled?: boolean | undefined;
  /** It forgets everything when it is killed, so that the cases in which acknowledged saves are looked for afterwards do not apply. Left out: it keeps them. */
  readonly forgets?: boolean | undefined;
  /** Starts an empty store, with settings under which what is acknowledged survives a kill, unless it {@link forgets}. */
  start(): Promise<RunningStore>;
}
