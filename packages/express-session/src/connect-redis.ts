import { type LegacySessions, SessionError } from '@sessionkit/session-core';
import { corrupt, type OldAppOptions, OldCookie, sessionOf } from './old-cookie.js';

/** As much of a client as is needed: one of node-redis 4 and newer, or of ioredis; of a server, a sentinel or a cluster. */
export type OldRedisClient = {
  get(key: string): Promise<unknown>;
  del(key: string): Promise<unknown>;
} & (
  | { pTTL(key: string): Promise<unknown>; pExpire(key: string, milliseconds: number): Promise<unknown> }
  | { pttl(key: string): Promise<unknown>; pexpire(key: string, milliseconds: number): Promise<unknown> }
);

export interface ConnectRedisOptions extends OldAppOptions {
  /** The `prefix` of its store. Default `sess:`. */
  readonly prefix?: string | undefined;
  /** The `serializer` of its store. Default `JSON`. */
  readonly serializer?: { parse(text: string): unknown } | undefined;
}

/**
 * The sessions of an application that had express-session on connect-redis. The client stays yours.
 * @throws SessionError `CONFIG_INVALID`: no secret, or no client.
 */
export function connectRedis(client: OldRedisClient, options: ConnectRedisOptions): LegacySessions {
  const cookie = new OldCookie(options);
  const { prefix = 'sess:', serializer = JSON, user } = options;
  const { ttl, expire } = commandsOf(client);
  return {
    type: 'connect-redis',
    read: (request) => cookie.read(request),
    async take(key, atMost) {
      const name = `${prefix}${key}`;
      const [text, left] = await Promise.all([client.get(name), ttl(name)]);
      if (typeof text !== 'string' || text === '') return undefined;
      if (Number(left) < 0 || Number(left) > atMost) await expire(name, atMost);
      return sessionOf(await parsed(serializer, text), user);
    },
    async remove(key) {
      await client.del(`${prefix}${key}`);
    },
    clear: (context) => cookie.clear(context),
  };
}

function commandsOf(client: OldRedisClient) {
  if (typeof client?.get === 'function' && typeof client.del === 'function') {
    if ('pTTL' in client) {
      return {
        ttl: (key: string) => client.pTTL(key),
        expire: (key: string, milliseconds: number) => client.pExpire(key, milliseconds),
      };
    }
    if ('pttl' in client) {
      return {
        ttl: (key: string) => client.pttl(key),
        expire: (key: string, milliseconds: number) => client.pexpire(key, milliseconds),
      };
    }
  }
  throw new SessionError(
    'CONFIG_INVALID',
    'connectRedis needs a client of node-redis (4 or newer) or of ioredis',
  );
}

async function parsed(serializer: { parse(text: string): unknown }, text: string): Promise<unknown> {
  try {
    return await serializer.parse(text);
  } catch (cause) {
    throw corrupt(cause);
  }
}
