import type { Millis } from '@sessionkit/session-core';
import slotOf from 'cluster-key-slot';
import type { Command, Connection, IoRedisCluster, IoRedisNode, Subscription } from './client.js';
import { DurableLane } from './durable.js';
import { lineOf } from './ioredis.js';
import { LISTENER_OPTIONS, listen } from './subscriber.js';

/**
 * A Cluster through ioredis. It follows MOVED and ASK by itself, which is safe: a server that answers so has not done what it was asked. A command that waits meanwhile, in
 * the queue of a connection that is being made, is refused by its not-after time when it comes too late.
 */
export class IoRedisClusterConnection implements Connection {
  readonly spread = true;
  readonly #client: IoRedisCluster;
  /** Until the servers that were known at the start are connected, or not to be reached. */
  #starting: Promise<unknown> | undefined;
  readonly #lanes = new Map<string, DurableLane>();
  #turn = 0;

  constructor(client: IoRedisCluster) {
    this.#client = client;
    this.#starting = Promise.all(client.nodes('all').map(connected)).finally(() => {
      this.#starting = undefined;
    });
    client.on('+node', connected);
  }

  close(): void {
    this.#client.off('+node', connected);
    for (const lane of this.#lanes.values()) lane.close();
  }

  async sendDurably(
    commands: readonly Command[],
    patience: Millis,
    signal?: AbortSignal,
  ): Promise<unknown[]> {
    const answers = await this.#written(commands, patience, signal);
    const moved = commands.filter((_, at) => isMoved(answers[at]));
    if (moved.length === 0) return answers;
    // The client learns who has these slots by asking.
    await settled(moved.map((command) => this.send(['EXISTS', keyOf(command)])));
    const again = await this.#written(moved, patience, signal);
    return answers.map((answer) => (isMoved(answer) ? again.shift() : answer));
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

  /** Each to the lane of the server that has its slot, errors in their places. */
  async #written(commands: readonly Command[], patience: Millis, signal?: AbortSignal): Promise<unknown[]> {
    const masters = new Map(this.#client.nodes('master').map((node) => [nodeKey(node), node]));
    for (const [key, lane] of this.#lanes) {
      if (masters.has(key)) continue;
      lane.close();
      this.#lanes.delete(key);
    }
    const places = new Map<string | undefined, number[]>();
    for (const [at, command] of commands.entries()) {
      const key = this.#client.slots[slotOf(keyOf(command))]?.[0];
      const others = places.get(key);
      if (others === undefined) places.set(key, [at]);
      else others.push(at);
    }
    const answers: unknown[] = [];
    const writes = [...places].map(async ([key = '', own]) => {
      try {
        const node = masters.get(key);
        if (node === undefined) throw new Error('the server that has this slot is not known');
        const lane = this.#lanes.get(key) ?? new DurableLane(() => lineOf(node), patience);
        this.#lanes.set(key, lane);
        const those = own.map((at) => commands[at] as Command);
        const found = await lane.send(those, signal);
        for (const [n, at] of own.entries()) answers[at] = found[n];
      } catch (error) {
        for (const at of own) answers[at] = error instanceof Error ? error : new Error(String(error));
      }
    });
    await Promise.all(writes);
    return answers;
  }

  /** What is published at one server is heard at all of them; another one is heard when this one leaves the Cluster. */
  subscribe(
    channel: string,
    onMessage: (message: string) => void,
    onFault: (error: unknown) => void,
  ): Promise<Subscription> {
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
    return listen(make, channel, onMessage, onFault);
  }
}

/**
 * ioredis connects to a server when it is first needed, and takes no other command until then. So it is done before, for replicas too, which may be masters soon. The first
 * command to a server that was not known before starts it, and is not refused.
 */
async function connected(node: IoRedisNode): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (node.status === 'wait') await node.connect().catch(() => {});
}

async function settled(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const answers = await Promise.allSettled(calls);
  return answers.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value;
    return answer.reason instanceof Error ? answer.reason : new Error(String(answer.reason));
  });
}

/** The key of a command, or the first of a script. */
function keyOf([name, first = '', , third = '']: Command): string {
  return name === 'EVALSHA' || name === 'EVAL' ? third : first;
}

function isMoved(answer: unknown): boolean {
  return answer instanceof Error && answer.message.startsWith('MOVED ');
}

function nodeKey({ options }: IoRedisNode): string {
  const { host, port } = options as { readonly host?: string; readonly port?: number };
  return `${host}:${port}`;
}
