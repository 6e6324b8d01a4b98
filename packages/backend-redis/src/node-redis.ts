import type { Command, Connection, Listener, NodeRedisClient, Subscription } from './client.js';
import { DurableLane, type DurableTerms, type DurableWriter, type Line } from './durable.js';
import { isReplyFault } from './faults.js';
import { type Outage, outageOf } from './outage.js';

/** One server through node-redis. */
export class NodeRedisConnection implements Connection {
  readonly spread = false;
  readonly #client: NodeRedisClient;
  readonly #outage: Outage;

  constructor(client: NodeRedisClient) {
    this.#client = client;
    this.#outage = outageOf(client);
  }

  get outage(): Error | undefined {
    return this.#client.isOpen
      ? this.#outage.reason
      : new Error('the client is not open: call its connect()');
  }

  async attempted(signal: AbortSignal): Promise<void> {
    if (this.#client.isOpen && !this.#client.isReady && this.#outage.reason === undefined)
      await this.#outage.attempted(signal);
  }

  send(command: Command): Promise<unknown> {
    return this.#client.sendCommand([...command]);
  }

  sendToAll(commands: readonly Command[]): Promise<unknown[]> {
    return this.sendAll(commands);
  }

  close(): void {}

  sendAll(commands: readonly Command[]): Promise<unknown[]> {
    return inOneWrite(this.#client, commands);
  }

  durably(terms: DurableTerms): DurableWriter {
    const open = async (): Promise<Line> => {
      const line = this.#client.duplicate();
      // What goes wrong is told by the calls.
      line.on('error', () => {});
      await line.connect();
      return { sendAll: (those) => inOneWrite(line, those), close: () => line.destroy() };
    };
    return new DurableLane(open, terms);
  }

  async subscribe(channel: string, { onMessage, onHeard, onFault }: Listener): Promise<Subscription> {
    const subscriber = this.#client.duplicate();
    let closed = false;
    await new Promise<void>((settled) => {
      subscriber.on('error', (error) => {
        if (!closed) onFault(error);
        settled();
      });
      // Subscriptions survive reconnections, and are there again when it is ready.
      subscriber.on('ready', () => onHeard());
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

/** Commands of one turn of the event loop leave in one write. */
async function inOneWrite(
  client: Pick<NodeRedisClient, 'sendCommand'>,
  commands: readonly Command[],
): Promise<unknown[]> {
  const answers = await Promise.allSettled(commands.map((command) => client.sendCommand([...command])));
  return answers.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value;
    if (isReplyFault(answer.reason)) return answer.reason;
    throw answer.reason;
  });
}
