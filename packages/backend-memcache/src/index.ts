import { MemcacheBackend } from './backend.js';
import type { MemcacheClient } from './client.js';
import { checked, type MemcacheOptions } from './options.js';
import { MemcacheStore } from './store.js';

export type { MemcacheBackend } from './backend.js';
export type { MemcacheClient } from './client.js';
export type { MemberNames, MemcacheOptions } from './options.js';

/**
 * A backend on *your* clients of memcache-client, each of which leads to one server; several of the same server are its connections. They stay yours: closing the backend does not shut them down. A list of keys is asked for on a
 * connection of the backend's own.
 *
 * @throws SessionError `CONFIG_INVALID` for a client that is none or leads to several servers, for a name that is used twice, for a bound below 1.
 */
export function memcache(
  clients: MemcacheClient | readonly MemcacheClient[],
  options: MemcacheOptions = {},
): MemcacheBackend {
  const list = Array.isArray(clients) ? (clients as readonly MemcacheClient[]) : [clients as MemcacheClient];
  return new MemcacheBackend(new MemcacheStore(list, checked(options)));
}
