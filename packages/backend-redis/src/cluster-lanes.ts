import slotOf from 'cluster-key-slot';
import type { Command, IoRedisCluster, IoRedisNode } from './client.js';
import { settled } from './cluster.js';
import { DurableLane, type DurableTerms, type DurableWriter } from './durable.js';
import { lineOf } from './ioredis.js';

/** Durable writes in a Cluster: a lane to each master. What goes wrong stays in its place, as other masters are not concerned. */
export class ClusterLanes implements DurableWriter {
  readonly #client: IoRedisCluster;
  readonly #terms: DurableTerms;
  readonly #lanes = new Map<string, DurableLane>();

  constructor(client: IoRedisCluster, terms: DurableTerms) {
    this.#client = client;
    this.#terms = terms;
  }

  async send(commands: readonly Command[], signal?: AbortSignal): Promise<unknown[]> {
    const answers = await this.#written(commands, signal);
    const moved = commands.filter((_, at) => isMoved(answers[at]));
    if (moved.length === 0) return answers;
    // The client learns who has these slots by asking. A server that answers so has not done what it was asked.
    await settled(moved.map((command) => this.#client.call('EXISTS', [keyOf(command)])));
    const again = await this.#written(moved, signal);
    return answers.map((answer) => (isMoved(answer) ? again.shift() : answer));
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }

  async #written(commands: readonly Command[], signal: AbortSignal | undefined): Promise<unknown[]> {
    const masters = new Map(this.#client.nodes('master').map((node) => [addressOf(node), node]));
    for (const [address, lane] of this.#lanes) {
      if (masters.has(address)) continue;
      lane.close();
      this.#lanes.delete(address);
    }
    const byAddress = new Map<string, number[]>();
    for (const [at, command] of commands.entries()) {
      const [address = ''] = this.#client.slots[slotOf(keyOf(command))] ?? [];
      const others = byAddress.get(address);
      if (others === undefined) byAddress.set(address, [at]);
      else others.push(at);
    }
    const answers: unknown[] = [];
    const writes = [...byAddress].map(async ([address, places]) => {
      try {
        const lane = this.#laneTo(address, masters.get(address));
        const own = places.map((at) => commands[at] as Command);
        const found = await lane.send(own, signal);
        for (const [n, at] of places.entries()) answers[at] = found[n];
      } catch (error) {
        for (const at of places) answers[at] = error instanceof Error ? error : new Error(String(error));
      }
    });
    await Promise.all(writes);
    return answers;
  }

  #laneTo(address: string, node: IoRedisNode | undefined): DurableLane {
    const known = this.#lanes.get(address);
    if (known !== undefined) return known;
    if (node === undefined) throw new Error('the server that has this slot is not known at present');
    const lane = new DurableLane(() => lineOf(node), this.#terms);
    this.#lanes.set(address, lane);
    return lane;
  }
}

/** The key of a command, or the first of a script. */
function keyOf([name, first = '', , third = '']: Command): string {
  return name === 'EVALSHA' || name === 'EVAL' ? third : first;
}

function isMoved(answer: unknown): boolean {
  return answer instanceof Error && answer.message.startsWith('MOVED ');
}

function addressOf({ options }: IoRedisNode): string {
  const { host, port } = options as { readonly host?: string; readonly port?: number };
  return `${host}:${port}`;
}
