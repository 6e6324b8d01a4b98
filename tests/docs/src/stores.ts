import { startCouchbase } from '@sessionkit/test-stores/couchbase';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import { startRedis } from '@sessionkit/test-stores/redis';

/** Starts one store of each kind; answers the environment in which documents find them. */
export async function startStores() {
  const [redis, postgres, mysql, memcached, couchbase] = await Promise.all([
    startRedis(),
    startPostgres(),
    startMariadb(),
    startMemcached(),
    startCouchbase(),
  ]);
  const env: NodeJS.ProcessEnv = {
    REDIS_URL: redis.url,
    POSTGRES_URL: postgres.url,
    MYSQL_URL: mysql.url,
    MEMCACHE_SERVER: `${memcached.host}:${memcached.port}`,
    COUCHBASE_URL: couchbase.url,
    COUCHBASE_USER: couchbase.user,
    COUCHBASE_PASSWORD: couchbase.password,
  };
  return {
    env,
    stop: () => Promise.all([redis, postgres, mysql, memcached, couchbase].map((store) => store.stop())),
  };
}
