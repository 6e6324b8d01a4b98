import type { Millis } from '@sessionkit/session-core';
import type { Command, Connection, IoRedisClient, IoRedisLine, Subscription } from './client.js';
import { DurableLane, type Line } from './durable.js';
import { isReplyFault } from './faults.js';
import { LISTENER_OPTIONS, listen } from './subscriber.js';

/** One server, or whichever Sentinel names, through ioredis. */
export class IoRedisConnection implements Connection {
  readonly spread = false;
  readonly #client: IoRedisClient;
  #lane: DurableLane | undefined;

  constructor(client: IoRedisClient) {
    this.#client = client;
  }

  send([name = '', ...args]: Command): Promise<unknown> {
    return this.#client.call(name, args);
  }

  sendAll(commands: readonly Command[]): Promise<unknown[]> {
    return pipelined(this.#client, commands);
  }

  sendDurably(commands: readonly Command[], patience: Millis, signal?: AbortSignal) {
    this.#lane ??= new DurableLane(() => lineOf(this.#client), patience);
    return this.#lane.send(commands, signal);
  }

  sendToAll(commands: readonly Command[]): Promise<unknown[]> {
    return this.sendAll(commands);
  }

  close(): void {
    this.#lane?.close();
  }

  subscribe(
    channel: string,
    onMessage: (message: string) => void,
    onFault: (error: unknown) => void,
  ): Promise<Subscription> {
    return listen(() => this.#client.duplicate(LISTENER_OPTIONS), channel, onMessage, onFault);
  }
}

async function pipelined(
  client: Pick<IoRedisLine, 'pipeline'>,
  commands: readonly Command[],
): Promise<unknown[]> {
  const answers = await client.pipeline(commands.map(([name, ...args]) => ['call', name, ...args])).exec();
  if (answers === null) throw new Error('the pipeline was discarded');
  return answers.map(([error, value]) => {
    if (error === null) return value;
    if (isReplyFault(error)) return error;
    throw error;
  });
}

/** A connection of its own to where this one leads. */
export async function lineOf(client: { duplicate(override: object): IoRedisLine }): Promise<Line> {
  const own = { lazyConnect: true, enableOfflineQueue: false, autoResendUnfulfilledCommands: false };
  const line = client.duplicate({ ...own, retryStrategy: null });
  // What goes wrong is told by the calls.
  line.on('error', () => {});
  try {
    await line.connect();
  } catch (error) {
    line.disconnect();
    throw error;
  }
  return { sendAll: (commands) => pipelined(line, commands), close: () => line.disconnect() };
}
