import { clientsOf, keeping, members, type RedisNode, replicasOf, startNode, until } from './redis-node.js';

/** Name of the group of servers that Sentinel watches. */
export const SENTINEL_GROUP = 'sessions';
/** How many sentinels there are. */
export const SENTINELS = 3;
const QUORUM = 2;

export interface RedisSentinel {
  readonly group: string;
  readonly sentinels: readonly RedisNode[];
  /** Master and replicas, in the order of their start. */
  readonly servers: readonly RedisNode[];
  /** The master, as Sentinel has it. */
  master(): Promise<RedisNode>;
  /** The master and a replica of it. */
  pair(): Promise<{ readonly master: RedisNode; readonly replica: RedisNode }>;
  /** Connections of clients to master and replicas. */
  connections(): Promise<number>;
  /** SIGKILL to the master; answers it when it has ended. */
  killMaster(): Promise<RedisNode>;
  /** SIGKILL to all, the sentinels too. */
  kill(): Promise<void>;
  /** Starts those that were killed, and waits until there is a master that has its replicas and every sentinel knows them. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A master with its replicas and three sentinels, on free ports. A master that fails is replaced within about three seconds. */
export async function startRedisSentinel(
  options: { durable?: boolean; downAfter?: number; replicas?: number } = {},
): Promise<RedisSentinel> {
  const { durable = false, downAfter = 1_000, replicas = 1 } = options;
  const started: RedisNode[] = [];
  const start = async (...args: Parameters<typeof startNode>) => {
    const node = await startNode(...args);
    started.push(node);
    return node;
  };
  const lines = [...keeping(durable), 'repl-diskless-sync-delay 0'];
  try {
    const master = await start(lines);
    const followers = [...lines, `replicaof ${master.host} ${master.port}`];
    const others = await Promise.all(Array.from({ length: replicas }, () => start(followers)));
    const watch = [
      `sentinel monitor ${SENTINEL_GROUP} ${master.host} ${master.port} ${QUORUM}`,
      `sentinel down-after-milliseconds ${SENTINEL_GROUP} ${downAfter}`,
      `sentinel failover-timeout ${SENTINEL_GROUP} 10000`,
      `sentinel parallel-syncs ${SENTINEL_GROUP} ${Math.max(1, replicas)}`,
    ];
    const sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, () => start(watch, { sentinel: true })),
    );
    const sentinel = new Sentinel(sentinels, [master, ...others]);
    await sentinel.settled();
    return sentinel;
  } catch (error) {
    await Promise.all(started.map(({ server }) => server.stop()));
    throw error;
  }
}

class Sentinel implements RedisSentinel {
  readonly group = SENTINEL_GROUP;
  readonly sentinels: readonly RedisNode[];
  readonly servers: readonly RedisNode[];
  readonly #down = new Set<RedisNode>();

  constructor(sentinels: readonly RedisNode[], servers: readonly RedisNode[]) {
    this.sentinels = sentinels;
    this.servers = servers;
  }

  async master(): Promise<RedisNode> {
    const [first] = this.sentinels;
    const found = await this.#masterTo(first as RedisNode);
    if (found === undefined) throw new Error('Sentinel knows no master');
    return found;
  }

  async connections(): Promise<number> {
    const up = this.servers.filter((node) => !this.#down.has(node));
    const counts = await Promise.all(up.map(clientsOf));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async pair() {
    const master = await this.master();
    const replica = this.servers.find((server) => server !== master && !this.#down.has(server));
    if (replica === undefined) throw new Error('the master has no replica');
    return { master, replica };
  }

  async killMaster(): Promise<RedisNode> {
    const master = await this.master();
    this.#down.add(master);
    await master.server.kill();
    return master;
  }

  async kill(): Promise<void> {
    const all = [...this.sentinels, ...this.servers];
    for (const node of all) this.#down.add(node);
    await Promise.all(all.map(({ server }) => server.kill()));
  }

  async restart(): Promise<void> {
    await Promise.all([...this.#down].map(({ server }) => server.start()));
    this.#down.clear();
    await this.settled();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map(({ server }) => server.stop()));
  }

  /** All sentinels name the same master and know each other and its replicas, and these have what it has. */
  settled(): Promise<void> {
    return until('a Redis with Sentinel', async () => {
      const masters = await Promise.all(this.sentinels.map((each) => this.#masterTo(each)));
      const [master] = masters;
      if (master === undefined || masters.some((each) => each !== master)) return false;
      const own = members(await master.ask('INFO', 'replication'));
      if (own.role !== 'master') return false;
      for (const server of this.servers) {
        if (server === master) continue;
        const info = members(await server.ask('INFO', 'replication'));
        if (info.master_link_status !== 'up' || info.master_port !== `${master.port}`) return false;
      }
      const replicas = this.servers.length - 1;
      if ((await replicasOf(master)) !== replicas) return false;
      for (const sentinel of this.sentinels) {
        const [, ...words] = (await sentinel.ask('SENTINEL', 'MASTER', SENTINEL_GROUP)).split(
          /\r\n(?:\$\d+\r\n)?/,
        );
        const said = (name: string) => words[words.indexOf(name) + 1];
        const wanted = {
          flags: 'master',
          'num-slaves': `${replicas}`,
          'num-other-sentinels': `${SENTINELS - 1}`,
        };
        if (Object.entries(wanted).some(([name, value]) => said(name) !== value)) return false;
        if (!(await sentinel.ask('SENTINEL', 'CKQUORUM', SENTINEL_GROUP)).startsWith('+OK')) return false;
        // Each replica, as this one sees it.
        const known = await sentinel.ask('SENTINEL', 'REPLICAS', SENTINEL_GROUP);
        if ([...known.matchAll(/\r\nslave\r\n/g)].length < replicas || /[so]_down|disconnected/.test(known))
          return false;
      }
      return true;
    });
  }

  async #masterTo(sentinel: RedisNode): Promise<RedisNode | undefined> {
    const reply = await sentinel.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', SENTINEL_GROUP);
    const [, port] = /\r\n(\d+)\r\n$/.exec(reply) ?? [];
    return this.servers.find((server) => `${server.port}` === port);
  }
}
