import { startCouchbase } from '@sessionkit/test-stores/couchbase';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';
import { connect } from 'couchbase';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';

/** The store of a sample while it runs. */
export interface SampleStore {
  /** Its entry under `resources:`, as a YAML flow map. */
  readonly resource: string;
  /** Runs the statements that `sessionkit sql` prints. Left out where there are none. */
  readonly prepare?: ((statements: string) => Promise<unknown>) | undefined;
  /** What is stored of a session under the names that the sample gives, and all of it as text. */
  look(id: string): Promise<{ readonly named: Readonly<Record<string, unknown>>; readonly all: string }>;
  stop(): Promise<void>;
}

const flow = (map: object) => JSON.stringify(map);

function placeOf(url: string) {
  const { hostname: host, port, username: user, pathname } = new URL(url);
  return { host, port: Number(port), user, database: pathname.slice(1) };
}

/** The stores that samples name, each started at an address of its own. */
export const sampleStores: Readonly<Record<string, () => Promise<SampleStore>>> = {
  async redis() {
    const redis = await startRedis();
    return {
      resource: flow({ _class: 'redis', url: redis.url }),
      async look(id) {
        const key = `sessionkit:{${id}}`;
        const reply = await redis.ask('HMGET', key, 'token', 'stopDate');
        const [token, stopDate] = [...reply.matchAll(/^\$\d+\r\n(.*)\r$/gm)].map(([, value]) => value);
        return { named: { token, stopDate: Number(stopDate) }, all: await redis.ask('HGETALL', key) };
      },
      stop: () => redis.stop(),
    };
  },

  async postgres() {
    const postgres = await startPostgres();
    const client = new Client(postgres.url);
    await client.connect();
    return {
      resource: flow({ _class: 'postgres', server: placeOf(postgres.url) }),
      prepare: (statements) => client.query(statements),
      async look(id) {
        const { rows } = await client.query('select * from sessions where token_sess = $1', [id]);
        return { named: rows[0] ?? {}, all: JSON.stringify(rows) };
      },
      async stop() {
        await client.end();
        await postgres.stop();
      },
    };
  },

  async mysql() {
    const mariadb = await startMariadb();
    const client = await createConnection({ uri: mariadb.url, multipleStatements: true, timezone: 'Z' });
    return {
      resource: flow({ _class: 'mysql', server: placeOf(mariadb.url) }),
      prepare: (statements) => client.query(statements),
      async look(id) {
        const [rows] = await client.query('select * from sessions where token_sess = ?', [id]);
        const [row = {}] = rows as Record<string, unknown>[];
        const read = Object.entries(row).map(([name, value]) => [
          name,
          Buffer.isBuffer(value) ? `${value}` : value,
        ]);
        return { named: Object.fromEntries(read), all: JSON.stringify(read) };
      },
      async stop() {
        await client.end();
        await mariadb.stop();
      },
    };
  },

  async memcache() {
    const { host, port, ask, stop } = await startMemcached();
    return {
      resource: flow({ _class: 'memcache', host, port }),
      async look(id) {
        const all = await ask(`get sessionkit:${id} sessionkit:${id}:seen`);
        const [, line = '{}'] = all.split(/\r?\n/);
        return { named: JSON.parse(line), all };
      },
      stop,
    };
  },

  /** A double of the server, unless the environment names a cluster. */
  async couchbase() {
    const { url, user, password, bucket, stop } = await startCouchbase();
    const cluster = await connect(url, { username: user, password });
    return {
      resource: flow({ _class: 'couchbase', cluster: url, bucket, user, password }),
      async look(id) {
        const { content } = await cluster.bucket(bucket).defaultCollection().get(`sess::${id}`);
        return { named: content, all: JSON.stringify(content) };
      },
      async stop() {
        await cluster.close();
        await stop();
      },
    };
  },
};
