import { SessionError } from '@sessionkit/session-core';
import { IoRedisClusterConnection } from './cluster.js';
import type { DurableTerms, DurableWriter } from './durable.js';
import { IoRedisConnection } from './ioredis.js';
import { NodeRedisConnection } from './node-redis.js';

/** A command and its arguments. */
export type Command = readonly string[];

/** What a client tells of its connection. */
export interface ClientEvents {
  on(event: 'ready' | 'error' | 'close' | 'end', listener: (error?: Error) => void): unknown;
  off(event: 'ready' | 'error' | 'close' | 'end', listener: (error?: Error) => void): unknown;
}

/** What is used of an ioredis 6 client (`new Redis(…)`). */
export interface IoRedisClient extends ClientEvents {
  readonly options: object;
  readonly status: string;
  call(command: string, args: string[]): Promise<unknown>;
  pipeline(commands: unknown[][]): { exec(): Promise<[Error | null, unknown][] | null> };
  duplicate(override: object): IoRedisSubscriber & IoRedisLine;
}

/** A duplicate on which writes wait for replicas. */
export interface IoRedisLine {
  connect(): Promise<unknown>;
  disconnect(): void;
  pipeline(commands: unknown[][]): { exec(): Promise<[Error | null, unknown][] | null> };
  on(event: string, listener: (...args: string[]) => void): unknown;
}

export interface IoRedisSubscriber {
  connect(): Promise<unknown>;
  disconnect(): void;
  subscribe(channel: string): Promise<unknown>;
  on(event: string, listener: (...args: string[]) => void): unknown;
}

/** What is used of an ioredis 6 client of a Cluster (`new Cluster([…], …)`). */
export interface IoRedisCluster {
  readonly options: object;
  readonly status: string;
  call(command: string, args: string[]): Promise<unknown>;
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'master' | 'all'): IoRedisNode[];
  on(event: 'ready' | '+node' | '-node', listener: (node: IoRedisNode) => void): unknown;
  on(event: 'ready' | 'error' | 'close' | 'end', listener: (error?: Error) => void): unknown;
  off(event: 'ready' | '+node' | '-node', listener: (node: IoRedisNode) => void): unknown;
  off(event: 'ready' | 'error' | 'close' | 'end', listener: (error?: Error) => void): unknown;
}

/** Its connection to one server. */
export interface IoRedisNode {
  readonly options: object;
  readonly status: string;
  connect(): Promise<unknown>;
  on(event: 'ready' | 'close', listener: () => void): unknown;
  off(event: 'ready' | 'close', listener: () => void): unknown;
  call(command: string, args: string[]): Promise<unknown>;
  duplicate(override: object): IoRedisSubscriber & IoRedisLine;
}

/** What is used of a node-redis 6 client (`createClient(…)`), connected by whoever made it. */
export interface NodeRedisClient extends ClientEvents {
  readonly options: object;
  /** Whether `connect` was called, and `close` was not. */
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(args: string[]): Promise<unknown>;
  duplicate(): NodeRedisSubscriber & Pick<NodeRedisClient, 'sendCommand'>;
}

export interface NodeRedisSubscriber {
  connect(): Promise<unknown>;
  destroy(): void;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  on(event: string, listener: (error: Error) => void): unknown;
}

export type RedisClient = IoRedisClient | IoRedisCluster | NodeRedisClient;

/** A connection that only hears what is published. */
export interface Subscription {
  close(): void;
}

/** What is told of a channel. */
export interface Listener {
  onMessage(message: string): void;
  /** It is heard, for the first time or again. */
  onHeard(): void;
  onFault(error: unknown): void;
}

/** The few things that the backend asks of either client. */
export interface Connection {
  /** Whether keys lie on several servers: a script has keys of one slot then, and commands for several keys come in no order. */
  readonly spread: boolean;
  /** Why the server cannot be reached at present, as far as the client has told. */
  readonly outage: Error | undefined;
  /** Resolves when a connection that is being made is there, or could not be made; with `signal` in any case. Others are not waited for. */
  attempted(signal: AbortSignal): Promise<void>;
  /** One command; rejects with what the client throws. */
  send(command: Command): Promise<unknown>;
  /**
   * Several in one round trip, in this order where keys lie on one server; an error reply is a value in its place. A lost connection rejects, or is a value in its
   * place where others may be there.
   */
  sendAll(commands: readonly Command[]): Promise<readonly unknown[]>;
  /** Several to each server that holds keys; what goes wrong is a value in its place. */
  sendToAll(commands: readonly Command[]): Promise<readonly unknown[]>;
  /**
   * Hears `channel` on a connection of its own, again after each reconnection, until closed. Resolves when it hears, or when the first attempt to connect has
   * failed and others follow.
   */
  subscribe(channel: string, listener: Listener): Promise<Subscription>;
  /** Writes on connections of their own, each answered when the replicas have it. */
  durably(terms: DurableTerms): DurableWriter;
  /** The client stays its owner's. */
  close(): void;
}

/** @throws SessionError `CONFIG_INVALID` for a client that is none, or one that queues or resends by itself. */
export function connectionOf(client: RedisClient): Connection {
  if (typeof client !== 'object' || client === null) throw new SessionError('CONFIG_INVALID', NO_CLIENT);
  const { options } = client;
  if ('nodes' in client) {
    const { redisOptions } = options as { readonly redisOptions?: object };
    refuse('ioredis Cluster', options, CLUSTER_OPTIONS);
    const nodeOptions = { autoResendUnfulfilledCommands: true, ...redisOptions };
    refuse('ioredis Cluster', nodeOptions, CLUSTER_NODE_OPTIONS, 'redisOptions.');
    return new IoRedisClusterConnection(client);
  }
  if ('nodeByAddress' in client)
    throw new SessionError(
      'CONFIG_INVALID',
      'a Cluster of node-redis cannot be told to leave commands alone: use a Cluster of ioredis',
    );
  if ('call' in client) {
    refuse('ioredis', options, {
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      keyPrefix: undefined,
    });
    return new IoRedisConnection(client);
  }
  if (typeof client.sendCommand !== 'function') throw new SessionError('CONFIG_INVALID', NO_CLIENT);
  refuse('node-redis', options, { disableOfflineQueue: true, keyPrefix: undefined });
  return new NodeRedisConnection(client);
}

const NO_CLIENT =
  'the client is neither one of ioredis nor one of node-redis: make one, such as redis(new Redis(url, { autoResendUnfulfilledCommands: false, enableOfflineQueue: false }))';

/** CLUSTERDOWN and a lost connection are answers, and reads go to where the writes are. */
const CLUSTER_OPTIONS = {
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  scaleReads: 'master',
  keyPrefix: undefined,
};
const CLUSTER_NODE_OPTIONS = { autoResendUnfulfilledCommands: false, keyPrefix: undefined };

function refuse(
  library: string,
  options: object,
  wanted: Readonly<Record<string, boolean | number | string | undefined>>,
  path = '',
): void {
  const wrong = Object.entries(wanted).filter(
    ([name, value]) => (Reflect.get(options ?? {}, name) || undefined) !== (value || undefined),
  );
  if (wrong.length === 0) return;
  const fix = wrong.map(([name, value]) =>
    value === undefined
      ? `no ${path}${name} (this backend has an option prefix)`
      : `${path}${name}: ${JSON.stringify(value)}`,
  );
  throw new SessionError(
    'CONFIG_INVALID',
    `a command that the client queues or sends again could change a session twice or late: make the ${library} client with ${fix.join(', ')}`,
  );
}
