import { randomUUID } from 'node:crypto';
import { couchbase } from '@sessionkit/backend-couchbase';
import { memcache } from '@sessionkit/backend-memcache';
import { mysql } from '@sessionkit/backend-mysql';
import { postgres } from '@sessionkit/backend-postgres';
import { redis } from '@sessionkit/backend-redis';
import type { Backend } from '@sessionkit/session-core';
import { startCouchbase } from '@sessionkit/test-stores/couchbase';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { connect } from 'couchbase';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createPool } from 'mysql2/promise';
import pg from 'pg';
import { onTestFinished } from 'vitest';

/** A Redis of its own, and a backend on it. */
export async function onRedis(options: { ownServer?: boolean } = {}) {
  const server = await startRedis(options.ownServer === true ? { durable: true } : {});
  const client = new Redis(server.url, {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    lazyConnect: true,
  });
  client.on('error', () => {});
  await client.connect();
  const prefix = `security${Date.now()}:`;
  onTestFinished(async () => {
    client.disconnect();
    await server.stop();
  });
  return { server, client, prefix, backend: redis(client, { prefix }) };
}

/** A name for what a test keeps in a store that is not its own. */
const name = () => `security_${randomUUID().replaceAll('-', '')}`;

/** Every store there is, each on a server of its own; Couchbase on the double of one. */
export const STORES: Readonly<Record<string, () => Promise<Backend>>> = {
  Redis: async () => (await onRedis()).backend,
  async PostgreSQL() {
    const server = await startPostgres();
    const pool = new pg.Pool({ connectionString: server.url });
    onTestFinished(async () => {
      await pool.end();
      await server.stop();
    });
    return postgres(pool, { table: name(), createTable: true });
  },
  async MariaDB() {
    const server = await startMariadb();
    const pool = createPool(server.url);
    onTestFinished(async () => {
      await pool.end();
      await server.stop();
    });
    return mysql(pool, { table: name(), createTable: true });
  },
  async memcached() {
    const server = await startMemcached();
    const address = { server: `${server.host}:${server.port}`, maxConnections: 10 };
    const client = new MemcacheClient({ server: address, noDelay: true });
    onTestFinished(async () => {
      client.shutdown();
      await server.stop();
    });
    return memcache(client, { prefix: `${name()}:` });
  },
  async Couchbase() {
    const server = await startCouchbase();
    const cluster = await connect(server.url, { username: server.user, password: server.password });
    onTestFinished(async () => {
      await cluster.close();
      await server.stop();
    });
    return couchbase(cluster.bucket(server.bucket).defaultCollection(), { prefix: `${name()}:` });
  },
};
