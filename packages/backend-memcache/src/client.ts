import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { SessionError } from '@sessionkit/session-core';

/** What is used of a client of memcache-client (`new MemcacheClient({ server: 'HOST:PORT' })`), which leads to one server. */
export interface MemcacheClient {
  readonly options: {
    /** `HOST:PORT`, or with `maxConnections` beside it. */
    readonly server: unknown;
    readonly tls?: ConnectionOptions | undefined;
  };
  /** Sends what the function writes to the socket; resolves with the answer as the client reads it. */
  send(write: (socket?: Socket) => void): Promise<unknown>;
}

/** Where a client leads, and how many connections it makes. */
export interface Place {
  /** `HOST:PORT` */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly tls: ConnectionOptions | undefined;
}

/** @throws SessionError `CONFIG_INVALID` for a client that is none, or one that answers for a server that is away by asking another one. */
export function placeOf(client: MemcacheClient): Place {
  const { options, send } = (client ?? {}) as Partial<MemcacheClient>;
  if (typeof send !== 'function' || typeof options?.server === 'undefined')
    throw new SessionError('CONFIG_INVALID', 'the client must be one of the package memcache-client');
  const { server, tls } = options;
  const given = typeof server === 'string' ? { server } : server;
  const { servers = [given], config } = (given ?? {}) as {
    readonly servers?: readonly unknown[];
    readonly config?: { readonly keepLastServer?: boolean };
  };
  const [only, another] = servers as readonly {
    readonly server?: unknown;
    readonly maxConnections?: number;
  }[];
  if (another !== undefined || config?.keepLastServer === false)
    throw new SessionError(
      'CONFIG_INVALID',
      'a client with several servers, or with keepLastServer: false, asks another server when one is away, where sessions that have ended may live: make a client for each server, and give a list of clients',
    );
  const [, host = '', port] = /^([^:\s]+):(\d{1,5})$/.exec(String(only?.server)) ?? [];
  if (port === undefined)
    throw new SessionError(
      'CONFIG_INVALID',
      `the server of the client is ${String(only?.server)}: write HOST:PORT`,
    );
  return { name: `${host}:${port}`, host, port: Number(port), connections: only?.maxConnections ?? 1, tls };
}
