import type { Backend, SessionId } from '@sessionkit/session-core';
import { startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { SENTINEL_GROUP, SENTINELS, startRedisSentinel } from '@sessionkit/test-stores/redis-sentinel';
import type { Address, ConnectOptions, RunningStore, StoreHarness } from '@sessionkit/testkit';
import { connectBy } from './store-harness.js';

const keyOf = (id: SessionId) => `sessionkit:{${id}}`;
const named = ({ host, port }: Address) => `${host}:${port}`;

/** For each address that servers name the one at which a client is to find it. */
function natMap(addresses: readonly Address[], via: readonly Address[]) {
  return Object.fromEntries(addresses.map((at, n) => [named(at), named(via[n] ?? at)]));
}

/** Resource of a Cluster in YAML. */
export function clusterSection(cluster: { readonly nodes: readonly Address[] }, via?: readonly Address[]) {
  const nodes = via ?? cluster.nodes;
  return { cluster: nodes.map(named), ...(via === undefined ? {} : { nat_map: natMap(cluster.nodes, via) }) };
}

interface Watched {
  readonly group: string;
  readonly servers: readonly Address[];
  readonly sentinels: readonly Address[];
}

/** Resource of a Redis with Sentinel in YAML. The addresses are those of the servers, then of the sentinels. */
export function sentinelSection(redis: Watched, via?: readonly Address[]) {
  const addresses = [...redis.servers, ...redis.sentinels];
  const sentinels = (via ?? addresses).slice(redis.servers.length);
  return {
    sentinels: sentinels.map(named),
    master: redis.group,
    ...(via === undefined ? {} : { nat_map: natMap(addresses, via) }),
  };
}

/** A backend on the Cluster of these servers. */
export function connectToCluster(
  addresses: readonly Address[],
  options: ConnectOptions = {},
): Promise<Backend> {
  return connectBy(clusterSection({ nodes: addresses }, options.via), options);
}

/** A backend on the servers, and after them three sentinels, at these addresses. */
export function connectBySentinel(
  addresses: readonly Address[],
  options: ConnectOptions = {},
): Promise<Backend> {
  const [servers, sentinels] = [addresses.slice(0, -SENTINELS), addresses.slice(-SENTINELS)];
  return connectBy(sentinelSection({ group: SENTINEL_GROUP, servers, sentinels }, options.via), options);
}

type Told = (reply: string) => string | undefined;
const present: Told = (raw) => (raw.startsWith('*0') ? undefined : raw);

/** Three masters with a replica each, which keep what they have acknowledged. */
export const cluster: StoreHarness = {
  name: 'redis cluster',
  async start(): Promise<RunningStore> {
    const redis = await startRedisCluster({ durable: true });
    const addresses = redis.nodes.map(({ host, port }) => ({ host, port }));
    return {
      addresses,
      connect: (options) => connectToCluster(addresses, options),
      peek: async (id) => present(await redis.askFor(keyOf(id), 'HGETALL', keyOf(id))),
      async corrupt(id) {
        await redis.askFor(keyOf(id), 'HSET', keyOf(id), 'head', '[1,2');
      },
      connections: () => redis.connections(),
      kill: () => redis.kill(),
      restart: () => redis.restart(),
      async failOver() {
        await redis.killMaster();
      },
      stop: () => redis.stop(),
    };
  },
};

/** A master with one replica and three sentinels, which keep what they have acknowledged. */
export const sentinel: StoreHarness = {
  name: 'redis sentinel',
  async start(): Promise<RunningStore> {
    const redis = await startRedisSentinel({ durable: true });
    const addresses = [...redis.servers, ...redis.sentinels].map(({ host, port }) => ({ host, port }));
    return {
      addresses,
      connect: (options) => connectBySentinel(addresses, options),
      peek: async (id) => present(await (await redis.master()).ask('HGETALL', keyOf(id))),
      async corrupt(id) {
        await (await redis.master()).ask('HSET', keyOf(id), 'head', '[1,2');
      },
      connections: () => redis.connections(),
      kill: () => redis.kill(),
      restart: () => redis.restart(),
      async failOver() {
        await redis.killMaster();
      },
      stop: () => redis.stop(),
    };
  },
};
