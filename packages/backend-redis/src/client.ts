import { SessionError } from '@sessionkit/session-core';
import { isReplyFault } from './faults.js';

/** A command and its arguments. */
export type Command = readonly string[];

/** What is used of an ioredis 6 client (`new Redis(…)`). */
export interface IoRedisClient {
  readonly options: object;
  call(command: string, args: string[]): Promise<unknown>;
  pipeline(commands: unknown[][]): { exec(): Promise<[Error | null, unknown][] | null> };
  duplicate(override: object): IoRedisSubscriber;
}

export interface IoRedisSubscriber {
  connect(): Promise<unknown>;
  disconnect(): void;
  subscribe(channel: string): Promise<unknown>;
  on(event: string, listener: (...args: string[]) => void): unknown;
}

/** What is used of a node-redis 6 client (`createClient(…)`), connected by whoever made it. */
export interface NodeRedisClient {
  readonly options: object;
  sendCommand(args: string[]): Promise<unknown>;
  duplicate(): NodeRedisSubscriber;
}

export interface NodeRedisSubscriber {
  connect(): Promise<unknown>;
  destroy(): void;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  on(event: string, listener: (error: Error) => void): unknown;
}

export type RedisClient = IoRedisClient | NodeRedisClient;

/** A connection that only hears what is published. */
export interface Subscription {
  close(): void;
}

/** The few things that the backend asks of either client. */
export interface Connection {
  /** One command; rejects with what the client throws. */
  send(command: Command): Promise<unknown>;
  /** Several in one round trip, in this order; an error reply is a value in its place. A lost connection rejects. */
  sendAll(commands: readonly Command[]): Promise<readonly unknown[]>;
  /**
   * Hears `channel` on a connection of its own, again after each reconnection, until closed. Resolves when it hears, or when the first attempt to connect has
   * failed and others follow.
   */
  subscribe(
    channel: string,
    onMessage: (message: string) => void,
    onFault: (error: unknown) => void,
  ): Promise<Subscription>;
}

/** @throws SessionError `CONFIG_INVALID` for a client that is none, or one that queues or resends by itself. */
export function connectionOf(client: RedisClient): Connection {
  const { options } = client;
  if ('call' in client) {
    refuse('ioredis', options, {
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      keyPrefix: undefined,
    });
    return new IoRedisConnection(client);
  }
  if (typeof client.sendCommand !== 'function')
    throw new SessionError('CONFIG_INVALID', 'the client is neither one of ioredis nor one of node-redis');
  refuse('node-redis', options, { disableOfflineQueue: true, keyPrefix: undefined });
  return new NodeRedisConnection(client);
}

function refuse(
  library: string,
  options: object,
  wanted: Readonly<Record<string, boolean | undefined>>,
): void {
  const wrong = Object.entries(wanted).filter(
    ([name, value]) => (Reflect.get(options ?? {}, name) || undefined) !== (value || undefined),
  );
  if (wrong.length === 0) return;
  const fix = wrong.map(([name, value]) =>
    value === undefined ? `no ${name} (this backend has an option prefix)` : `${name}: ${value}`,
  );
  throw new SessionError(
    'CONFIG_INVALID',
    `a command that the client queues or sends again could change a session twice or late: make the ${library} client with ${fix.join(', ')}`,
  );
}

class IoRedisConnection implements Connection {
  readonly #client: IoRedisClient;

  constructor(client: IoRedisClient) {
    this.#client = client;
  }

  send([name = '', ...args]: Command): Promise<unknown> {
    return this.#client.call(name, args);
  }

  async sendAll(commands: readonly Command[]): Promise<unknown[]> {
    const answers = await this.#client
      .pipeline(commands.map(([name, ...args]) => ['call', name, ...args]))
      .exec();
    if (answers === null) throw new Error('the pipeline was discarded');
    return answers.map(([error, value]) => {
      if (error === null) return value;
      if (isReplyFault(error)) return error;
      throw error;
    });
  }

  async subscribe(channel: string, onMessage: (message: string) => void, onFault: (error: unknown) => void) {
    const own = { lazyConnect: true, enableOfflineQueue: false, autoResubscribe: false };
    const subscriber = this.#client.duplicate(own);
    let closed = false;
    await new Promise<void>((settled) => {
      subscriber.on('error', (error) => {
        onFault(error);
        settled();
      });
      subscriber.on('message', (_, message = '') => onMessage(message));
      subscriber.on('ready', () => {
        subscriber.subscribe(channel).catch(onFault).finally(settled);
      });
      // What goes wrong is an `error` event too.
      subscriber.connect().catch(() => settled());
    });
    return {
      close() {
        if (!closed) subscriber.disconnect();
        closed = true;
      },
    };
  }
}

class NodeRedisConnection implements Connection {
  readonly #client: NodeRedisClient;

  constructor(client: NodeRedisClient) {
    this.#client = client;
  }

  send(command: Command): Promise<unknown> {
    return this.#client.sendCommand([...command]);
  }

  /** Commands of one turn of the event loop leave in one write. */
  async sendAll(commands: readonly Command[]): Promise<unknown[]> {
    const answers = await Promise.allSettled(commands.map((command) => this.send(command)));
    return answers.map((answer) => {
      if (answer.status === 'fulfilled') return answer.value;
      if (isReplyFault(answer.reason)) return answer.reason;
      throw answer.reason;
    });
  }

  async subscribe(channel: string, onMessage: (message: string) => void, onFault: (error: unknown) => void) {
    const subscriber = this.#client.duplicate();
    let closed = false;
    await new Promise<void>((settled) => {
      subscriber.on('error', (error) => {
        if (!closed) onFault(error);
        settled();
      });
      // Subscriptions survive reconnections.
      subscriber
        .connect()
        .then(() => subscriber.subscribe(channel, onMessage))
        .catch((error: unknown) => {
          if (!closed) onFault(error);
        })
        .finally(settled);
    });
    return {
      close() {
        if (!closed) subscriber.destroy();
        closed = true;
      },
    };
  }
}
