import { setTimeout as pause } from 'node:timers/promises';
import type { Command, Connection, IoRedisCluster, IoRedisNode, Listener, Subscription } from './client.js';
import { ClusterLanes } from './cluster-lanes.js';
import type { DurableTerms, DurableWriter } from './durable.js';
import { isConnecting } from './ioredis.js';
import { type Outage, outageOf } from './outage.js';
import { LISTENER_OPTIONS, listen } from './subscriber.js';

/** How long the first commands wait for connections, in ms. */
const CONNECTED_WITHIN = 500;

/**
 * A Cluster through ioredis. It follows MOVED and ASK by itself, which is safe: a server that answers so has not done what it was asked. A command that waits meanwhile, in
 * the queue of a connection that is being made, is refused by its not-after time when it comes too late.
 */
export class IoRedisClusterConnection implements Connection {
  readonly spread = true;
  readonly #client: IoRedisCluster;
  readonly #outage: Outage;
  /** Until the servers that are known when the client becomes ready are connected, or not to be reached soon. */
  #starting: Promise<unknown> | undefined;
  #turn = 0;

  constructor(client: IoRedisCluster) {
    this.#client = client;
    this.#outage = outageOf(client);
    client.on('ready', this.#onReady);
    client.on('+node', this.#onNode);
    if (client.status === 'ready') this.#onReady();
  }

  close(): void {
    this.#client.off('ready', this.#onReady);
    this.#client.off('+node', this.#onNode);
  }

  get outage(): Error | undefined {
    return this.#outage.reason;
  }

  async attempted(signal: AbortSignal): Promise<void> {
    if (isConnecting(this.#client)) await this.#outage.attempted(signal);
  }

  readonly #onReady = () => {
    const all = Promise.all(this.#client.nodes('all').map(connected));
    const starting = Promise.race([all, pause(CONNECTED_WITHIN, undefined, { ref: false })]).finally(() => {
      if (this.#starting === starting) this.#starting = undefined;
    });
    this.#starting = starting;
  };

  /** Whether a Cluster is ready is asked on these very connections, which must be free then. */
  readonly #onNode = (node: IoRedisNode) => {
    if (this.#client.status === 'ready') void connected(node);
  };

  durably(terms: DurableTerms): DurableWriter {
    return new ClusterLanes(this.#client, terms);
  }

  async send([name = '', ...args]: Command): Promise<unknown> {
    if (this.#starting !== undefined) await this.#starting;
    return this.#client.call(name, args);
  }

  /** Commands of one turn of the event loop leave together for each server. What goes wrong stays in its place: other servers are not concerned. */
  async sendAll(commands: readonly Command[]): Promise<unknown[]> {
    return settled(commands.map((command) => this.send(command)));
  }

  async sendToAll(commands: readonly Command[]): Promise<unknown[]> {
    const masters = this.#client.nodes('master');
    return settled(masters.flatMap((node) => commands.map(([name = '', ...args]) => node.call(name, args))));
  }

  /** What is published at one server is heard at all of them; another one is heard when this one leaves the Cluster. */
  subscribe(channel: string, listener: Listener): Promise<Subscription> {
    const client = this.#client;
    const make = () => {
      const masters = client.nodes('master');
      const node = masters[this.#turn++ % masters.length];
      const subscriber = node?.duplicate({ ...LISTENER_OPTIONS, retryStrategy: null });
      if (subscriber === undefined) return undefined;
      const left = (gone: IoRedisNode) => {
        if (gone === node) subscriber.disconnect();
      };
      client.on('-node', left);
      subscriber.on('end', () => client.off('-node', left));
      return subscriber;
    };
    return listen(make, channel, listener);
  }
}

/**
 * ioredis connects to a server when it is first needed, and takes no other command until then. So it is done before, for replicas too, which may be masters soon. The first
 * command to a server that was not known before starts it, and is not refused.
 */
async function connected(node: IoRedisNode): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (node.status === 'wait') await node.connect().catch(() => {});
  // Another backend on the same client has begun with it.
  else if (isConnecting(node)) await settledBy(node);
}

function settledBy(node: IoRedisNode): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      node.off('ready', done);
      node.off('close', done);
      resolve();
    };
    node.on('ready', done);
    node.on('close', done);
  });
}

/** What goes wrong is a value in its place. */
export async function settled(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const answers = await Promise.allSettled(calls);
  return answers.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value;
    return answer.reason instanceof Error ? answer.reason : new Error(String(answer.reason));
  });
}
