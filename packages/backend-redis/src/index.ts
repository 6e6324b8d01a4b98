import { RedisBackend } from './backend.js';
import { connectionOf, type RedisClient } from './client.js';
import { checked, type RedisOptions } from './options.js';
import { RedisStore } from './store.js';

export type { RedisBackend } from './backend.js';
export type {
  IoRedisClient,
  IoRedisCluster,
  IoRedisLine,
  IoRedisNode,
  IoRedisSubscriber,
  NodeRedisClient,
  NodeRedisSubscriber,
  RedisClient,
} from './client.js';
export type { MemberNames, RedisOptions } from './options.js';

/**
 * A backend on *your* client, of ioredis 6 or node-redis 6. It stays yours: you connect it and close it. Notices are heard on a duplicate of it, which is the backend's.
 *
 * @throws SessionError `CONFIG_INVALID` for a client that queues commands or sends them again by itself, for a name that is used twice, for a bound below 1.
 */
export function redis(client: RedisClient, options: RedisOptions = {}): RedisBackend {
  const known = checked(options);
  return new RedisBackend(new RedisStore(connectionOf(client), known));
}
