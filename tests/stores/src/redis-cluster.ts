import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { find } from './launch.js';
import { REDIS_SERVER } from './redis.js';
import { clientsOf, keeping, members, type RedisNode, replicasOf, startNode, until } from './redis-node.js';

const run = promisify(execFile);
const SLOTS = 16_384;
const MASTERS = 3;

export interface RedisCluster {
  /** All servers, in the order of their start. */
  readonly nodes: readonly RedisNode[];
  /** Those that hold slots at this moment. */
  masters(): Promise<RedisNode[]>;
  /** Sends a command to the master that holds this key. */
  askFor(key: string, ...command: string[]): Promise<string>;
  /** Connections of clients to all servers. */
  connections(): Promise<number>;
  /** The master that holds this key, or any, and its replica. */
  pair(key?: string): Promise<{ readonly master: RedisNode; readonly replica: RedisNode }>;
  /** SIGKILL to a master; answers when it has ended. */
  killMaster(master?: RedisNode): Promise<void>;
  /** SIGKILL to all. */
  kill(): Promise<void>;
  /** Starts those that were killed, and waits until every slot has a master and every master its replica. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A Cluster of three masters with a replica each, on free ports. A master that fails is replaced within about three seconds; the slots of the others are
 * served meanwhile.
 */
export async function startRedisCluster(
  options: { durable?: boolean; nodeTimeout?: number; replicas?: number } = {},
): Promise<RedisCluster> {
  const { durable = false, nodeTimeout = 2_000, replicas = 1 } = options;
  const lines = [
    ...keeping(durable),
    'cluster-enabled yes',
    'cluster-config-file nodes.conf',
    `cluster-node-timeout ${nodeTimeout}`,
    'cluster-require-full-coverage no',
    'repl-diskless-sync-delay 0',
    // One that was away for long may be the only one that is left.
    'cluster-replica-validity-factor 0',
  ];
  const count = MASTERS * (1 + replicas);
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(lines)));
  const cluster = new Cluster(nodes);
  try {
    const cli = await find({ ...REDIS_SERVER, name: 'redis-cli', debian: 'redis-tools' });
    const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
    const flags = ['--cluster-replicas', `${replicas}`, '--cluster-yes'];
    await run(cli, ['--cluster', 'create', ...addresses, ...flags]);
    await cluster.settled();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** A line of CLUSTER NODES. */
interface Known {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly masterId: string;
  readonly linked: boolean;
  readonly slots: readonly string[];
}

class Cluster implements RedisCluster {
  readonly nodes: readonly RedisNode[];
  readonly #down = new Set<RedisNode>();

  constructor(nodes: readonly RedisNode[]) {
    this.nodes = nodes;
  }

  async masters(): Promise<RedisNode[]> {
    const known = await this.#known();
    return this.#up().filter(({ port }) => known.some((one) => one.port === port && one.slots.length > 0));
  }

  async askFor(key: string, ...command: string[]): Promise<string> {
    for (const node of this.#up()) {
      const reply = await node.ask(...command);
      if (!reply.startsWith('-MOVED')) return reply;
    }
    throw new Error(`no server of the Cluster holds ${key}`);
  }

  async connections(): Promise<number> {
    const counts = await Promise.all(this.#up().map(clientsOf));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async pair(key?: string) {
    const masters = await this.masters();
    let [master] = masters;
    for (const each of masters)
      if (key !== undefined && !(await each.ask('EXISTS', key)).startsWith('-MOVED')) master = each;
    const known = await this.#known();
    const own = known.find(({ port }) => port === master?.port);
    const heir = known.find(({ masterId }) => masterId === own?.id);
    const replica = this.nodes.find(({ port }) => port === heir?.port);
    if (master === undefined || replica === undefined)
      throw new Error('no master of the Cluster has a replica');
    return { master, replica };
  }

  async killMaster(master?: RedisNode): Promise<void> {
    const victim = master ?? (await this.pair()).master;
    this.#down.add(victim);
    await victim.server.kill();
  }

  async kill(): Promise<void> {
    for (const node of this.nodes) this.#down.add(node);
    await Promise.all(this.nodes.map(({ server }) => server.kill()));
  }

  async restart(): Promise<void> {
    await Promise.all([...this.#down].map(({ server }) => server.start()));
    this.#down.clear();
    await this.settled();
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  /** Every server says that all slots are served, knows of all others, and every replica has what its master has. */
  settled(): Promise<void> {
    return until('a Redis Cluster', async () => {
      let linked = 0;
      for (const node of this.nodes) {
        const info = members(await node.ask('CLUSTER', 'INFO'));
        if (info.cluster_state !== 'ok' || info.cluster_slots_ok !== `${SLOTS}`) return false;
        const known = knownTo(await node.ask('CLUSTER', 'NODES'));
        if (known.length !== this.nodes.length || !known.every(isWell)) return false;
        const replication = members(await node.ask('INFO', 'replication'));
        if (replication.role === 'slave' && replication.master_link_status !== 'up') return false;
        if (replication.role === 'master') linked += await replicasOf(node);
      }
      return linked === this.nodes.length - MASTERS;
    });
  }

  async #known(): Promise<Known[]> {
    const [node] = this.#up();
    if (node === undefined) throw new Error('every server of the Cluster is down');
    return knownTo(await node.ask('CLUSTER', 'NODES'));
  }

  #up(): RedisNode[] {
    return this.nodes.filter((node) => !this.#down.has(node));
  }
}

/** `ID HOST:PORT@BUS FLAGS MASTER PING PONG EPOCH LINK SLOTS...` */
function knownTo(reply: string): Known[] {
  return [...reply.matchAll(/^([0-9a-f]{40}) \S*?:(\d+)@\S+ (\S+) (\S+) \d+ \d+ \d+ (\S+)(.*)$/gm)].map(
    ([, id = '', port, flags = '', masterId = '', link, slots = '']) => ({
      id,
      port: Number(port),
      flags: flags.split(','),
      masterId,
      linked: link === 'connected',
      slots: slots.trim().split(' ').filter(Boolean),
    }),
  );
}

function isWell({ flags, linked, slots, masterId }: Known): boolean {
  const failing = flags.some((flag) => ['fail', 'fail?', 'handshake', 'noaddr'].includes(flag));
  return !failing && linked && (masterId === '-') === slots.length > 0;
}
