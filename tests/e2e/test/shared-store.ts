import { randomUUID } from 'node:crypto';
import { startCouchbase } from '@sessionkit/test-stores/couchbase';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';

/** A store that several processes share, and how a YAML file names it. */
export interface SharedStore {
  readonly url: string;
  /** Value of `session.backend`, on the resource `store`. */
  readonly backend: string;
  /** Value of `resources.store`. */
  readonly resource: string;
  pid(): number;
  /** As after a power cut. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Stores that tests of several processes run on, each a server of its own that forgets nothing that it has acknowledged. */
export const SHARED_STORES: Readonly<Record<string, () => Promise<SharedStore>>> = {
  async redis() {
    const { url, server, stop } = await startRedis({ durable: true });
    return {
      url,
      backend: '{ type: redis, resource: store }',
      resource: `{ _class: redis, url: "${url}" }`,
      ...lifeOf(server),
      stop,
    };
  },
  async postgres() {
    const { url, server, stop } = await startPostgres({ durable: true });
    const { hostname, port, username, pathname } = new URL(url);
    return {
      url,
      backend: '{ type: postgres, resource: store, create_table: true }',
      resource: `{ _class: postgres, server: { host: ${hostname}, port: ${port}, user: ${username}, database: ${pathname.slice(1)} } }`,
      ...lifeOf(server),
      stop,
    };
  },
};

/** A store that gives no notice, and counts no places. */
export async function sharedMemcached(): Promise<Pick<SharedStore, 'backend' | 'resource' | 'stop'>> {
  const { host, port, stop } = await startMemcached({ own: true });
  return {
    backend: '{ type: memcache, resource: store }',
    resource: `{ _class: memcache, host: ${host}, port: ${port} }`,
    stop,
  };
}

/** A store that gives no notice: the double of a Couchbase, or the cluster that the environment names. */
export async function sharedCouchbase(): Promise<Pick<SharedStore, 'backend' | 'resource' | 'stop'>> {
  const { url, user, password, bucket, stop } = await startCouchbase();
  return {
    backend: `{ type: couchbase, resource: store, key_ns: "shared ${randomUUID()}:" }`,
    resource: `{ _class: couchbase, cluster: "${url}", bucket: ${bucket}, user: ${user}, password: "${password}" }`,
    stop,
  };
}

type Started = Awaited<ReturnType<typeof startRedis>>['server'];

function lifeOf(server: Started) {
  if (server === undefined) throw new Error('a store that is killed must be one of our own');
  return { pid: () => server.pid, kill: () => server.kill(), restart: () => server.start() };
}
