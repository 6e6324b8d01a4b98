import { once } from 'node:events';
import { Cluster } from 'ioredis';

/** A client of the Cluster that has these servers, `HOST:PORT,HOST:PORT`, when it is ready. */
export async function clusterOf(servers: string): Promise<Cluster> {
  const nodes = servers.split(',').map((server) => {
    const [host = '', port] = server.split(':');
    return { host, port: Number(port) };
  });
  const cluster = new Cluster(nodes, {
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: { autoResendUnfulfilledCommands: false },
  });
  await once(cluster, 'ready');
  // Each backend of a test listens to it.
  cluster.setMaxListeners(0);
  return cluster;
}

/** The same client, whose commands go through `call`. */
export function calling(cluster: Cluster, call: (name: string, args: string[]) => Promise<unknown>): Cluster {
  return new Proxy(cluster, {
    get(target, name) {
      if (name === 'call') return call;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
