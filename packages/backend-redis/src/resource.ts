import { CONTRACT_VERSION, type ResourceModule, SessionError } from '@sessionkit/session-core';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { bare, isReplyFault } from './faults.js';

const MAX_RETRY_DELAY = 500;

const config = z.strictObject({
  _class: z.literal('redis'),
  url: z
    .string()
    .regex(
      /^rediss?:\/\/[^/]/,
      'is no URL of a Redis: write redis://HOST:PORT, or rediss://HOST:PORT for TLS',
    )
    .describe('redis://USER:PASSWORD@HOST:PORT/DB, or rediss:// for TLS'),
  username: z.string().min(1).optional().describe('User of the ACL, if it is not in the URL'),
  password: z.string().min(1).optional().describe('Password, if it is not in the URL'),
  db: z.int().min(0).optional().describe('Number of the database, if it is not in the URL'),
  connection_name: z.string().regex(/^\S+$/).default('sessionkit').describe('Name in CLIENT LIST'),
  connect_timeout: z.number().min(0.001).default(2).describe('Seconds to wait for a connection'),
});

type Config = z.infer<typeof config>;

/** A client of ioredis that neither queues nor resends. A server that is down at the start is tried again like one that goes down later. */
const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'redis',
  config,
  async create({ url, username, password, db, connection_name, connect_timeout }, { environment }) {
    const client = new Redis(url, {
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(db === undefined ? {} : { db }),
      connectionName: connection_name,
      connectTimeout: connect_timeout * 1_000,
      lazyConnect: true,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => Math.min(times * 50, MAX_RETRY_DELAY),
    });
    let fault: Error | undefined;
    // Each call that meets an outage fails with it; the log has it once from the session store.
    client.on('error', (error: Error) => {
      fault = error;
    });
    await client.connect().catch((error: Error) => {
      fault ??= error;
    });
    if (client.status === 'ready') return client;
    if (isReplyFault(fault) && /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH)/.test(fault.message)) {
      client.disconnect();
      throw new SessionError('BACKEND_FAILED', 'Redis refuses the user or password of this resource', {
        cause: bare(fault),
      });
    }
    environment.log({
      level: 'error',
      message: 'redis: not reached at the start; trying on',
      error: bare(fault),
    });
    return client;
  },
  async close(resource) {
    if (resource instanceof Redis) resource.disconnect();
  },
};

export default module;
