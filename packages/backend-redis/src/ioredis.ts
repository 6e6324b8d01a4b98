import type { Command, Connection, IoRedisClient, IoRedisLine, Listener, Subscription } from './client.js';
import { DurableLane, type DurableTerms, type DurableWriter, type Line } from './durable.js';
import { isReplyFault } from './faults.js';
import { type Outage, outageOf } from './outage.js';
import { LISTENER_OPTIONS, listen } from './subscriber.js';

/** One server, or whichever Sentinel names, through ioredis. */
export class IoRedisConnection implements Connection {
  readonly spread = false;
  readonly #client: IoRedisClient;
  readonly #outage: Outage;

  constructor(client: IoRedisClient) {
    this.#client = client;
    this.#outage = outageOf(client);
  }

  get outage(): Error | undefined {
    return this.#outage.reason;
  }

  async attempted(signal: AbortSignal): Promise<void> {
    if (isConnecting(this.#client)) await this.#outage.attempted(signal);
  }

  send([name = '', ...args]: Command): Promise<unknown> {
    return this.#client.call(name, args);
  }

  sendAll(commands: readonly Command[]): Promise<unknown[]> {
    return pipelined(this.#client, commands);
  }

  durably(terms: DurableTerms): DurableWriter {
    return new DurableLane(() => lineOf(this.#client), terms);
  }

  sendToAll(commands: readonly Command[]): Promise<unknown[]> {
    return this.sendAll(commands);
  }

  close(): void {}

  subscribe(channel: string, listener: Listener): Promise<Subscription> {
    return listen(() => this.#client.duplicate(LISTENER_OPTIONS), channel, listener);
  }
}

/** Whether the first connection of a client, or the next one, is being made. */
export function isConnecting({ status }: { readonly status: string }): boolean {
  return status === 'connecting' || status === 'connect';
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
  let lost = false;
  line.on('end', () => {
    lost = true;
  });
  try {
    await line.connect();
  } catch (error) {
    line.disconnect();
    throw error;
  }
  return {
    get lost() {
      return lost;
    },
    sendAll: (commands) => pipelined(line, commands),
    close: () => line.disconnect(),
  };
}
