import { CONTRACT_VERSION, type Millis, type ResourceModule, SessionError } from '@sessionkit/session-core';
import { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { bare, isReplyFault } from './faults.js';
import { greetedWithin } from './greeting.js';

/** With `connect_timeout` less than a second: a server that is back is found within one. */
const MAX_RETRY_DELAY = 200;
/** How long core waits for the store, in ms, where nobody says it. */
const DEADLINE = 2_000;
/** A connection on which nothing was answered for the deadline and so long is given up, so that another server is asked for, in ms. */
const SILENT_LONGER = 500;
/** How often a Cluster is asked who holds which slot: a master that has fallen silent does not tell that it has been replaced, in ms. */
const SLOTS_EVERY = 1_000;

const ADDRESS = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/;
const host = z
  .string()
  .refine((text) => ADDRESS.test(text), 'is no address: write HOST:PORT, or [IPV6]:PORT');
const hosts = z.array(host).min(1);
const text = z.string().min(1);

const config = z
  .strictObject({
    _class: z.literal('redis'),
    url: z
      .string()
      .regex(
        /^rediss?:\/\/[^/]/,
        'is no URL of a Redis: write redis://HOST:PORT, or rediss://HOST:PORT for TLS',
      )
      .optional()
      .describe('One server: `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` for TLS'),
    sentinels: hosts.optional().describe('Sentinels that know the server: `HOST:PORT` of each'),
    master: text.optional().describe('Name under which the sentinels know it; with `sentinels`'),
    sentinel_username: text.optional().describe('User of the ACL of the sentinels; with `sentinels`'),
    sentinel_password: text.optional().describe('Password of the sentinels; with `sentinels`'),
    cluster: hosts
      .optional()
      .describe('Servers of a Cluster, from which the others are learnt: `HOST:PORT` of each'),
    nat_map: z
      .record(host, host)
      .optional()
      .describe(
        "For each address that servers and sentinels name, the one by which it is reached from here: `'10.0.0.1:6379': 'redis.example:6379'`; with `sentinels` or `cluster`",
      ),
    tls: z
      .boolean()
      .optional()
      .describe('Whether they are spoken to by TLS; with `sentinels` or `cluster`. Default: `false`'),
    username: text.optional().describe('User of the ACL of the servers, where the URL has none'),
    password: text.optional().describe('Password of the servers, where the URL has none'),
    db: z
      .int()
      .min(0)
      .optional()
      .describe('Number of the database, where the URL has none; not with `cluster`. Default: `0`'),
    connection_name: z.string().regex(/^\S+$/).default('sessionkit').describe('Name in `CLIENT LIST`'),
    connect_timeout: z
      .number()
      .min(0.001)
      .default(0.75)
      .describe('Seconds to wait for a connection, and for its greeting'),
  })
  .superRefine((section, context) => {
    const report = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    const ways = (['url', 'sentinels', 'cluster'] as const).filter((name) => section[name] !== undefined);
    if (ways.length !== 1)
      report([], 'needs one of url (one server), sentinels with master, and cluster: give exactly one');
    const [way] = ways;
    if (way === undefined) return;
    if (way === 'sentinels' && section.master === undefined)
      report(['master'], 'is missing beside sentinels: give the name under which they know the server');
    const others = {
      master: 'sentinels',
      sentinel_username: 'sentinels',
      sentinel_password: 'sentinels',
      nat_map: 'sentinels or cluster',
      tls: 'sentinels or cluster',
    } as const;
    for (const [name, place] of Object.entries(others) as [keyof typeof others, string][])
      if (section[name] !== undefined && !place.split(' or ').includes(way))
        report([name], `goes with ${place}, not with ${way}: leave it out`);
    if (way === 'cluster' && section.db) report(['db'], 'a Cluster has database 0 only: leave it out');
  });

type Config = z.infer<typeof config>;

/** A client of ioredis that neither queues nor resends. A server that is down at the start is tried again like one that goes down later. */
const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'redis',
  config,
  async create(section, { environment, deadline = DEADLINE }) {
    const silentFor = deadline + SILENT_LONGER;
    const client =
      section.cluster === undefined
        ? serverOf(section, silentFor)
        : clusterOf(section, section.cluster, silentFor);
    let fault: Error | undefined;
    // Each call that meets an outage fails with it; the log has it once from the session store.
    const onFault = (error: Error) => {
      fault = error;
    };
    client.on('error', onFault);
    client.on('node error', onFault);
    const wait = section.connect_timeout * 1_000;
    if (client instanceof Redis) greetedWithin(wait, client);
    else client.on('+node', (node: Redis) => greetedWithin(wait, node));
    await firstAttempt(client);
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
    if (resource instanceof Redis || resource instanceof Cluster) resource.disconnect();
  },
};

/** Until the client is ready, or has failed once; it goes on by itself. */
function firstAttempt(client: Redis | Cluster): Promise<void> {
  return new Promise((settled) => {
    for (const event of ['ready', 'error', 'close', 'end']) client.once(event, () => settled());
    client.connect().catch(() => {});
  });
}

const retryDelay = (times: number) => Math.min(times * 50, MAX_RETRY_DELAY);

function commonOf({ username, password, connection_name, connect_timeout }: Config, silentFor: Millis) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    connectionName: connection_name,
    connectTimeout: connect_timeout * 1_000,
    disconnectTimeout: MAX_RETRY_DELAY,
    socketTimeout: silentFor,
    maxLoadingRetryTime: MAX_RETRY_DELAY,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  };
}

function serverOf(section: Config, silentFor: Millis): Redis {
  const { url = '', sentinels, db } = section;
  const options = {
    ...commonOf(section, silentFor),
    ...(db === undefined ? {} : { db }),
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
  };
  if (sentinels === undefined) return new Redis(url, options);
  const { master, sentinel_username, sentinel_password, connect_timeout, tls = false } = section;
  return new Redis({
    ...options,
    sentinels: sentinels.map(addressOf),
    name: master as string,
    ...(sentinel_username === undefined ? {} : { sentinelUsername: sentinel_username }),
    ...(sentinel_password === undefined ? {} : { sentinelPassword: sentinel_password }),
    ...natMapOf(section),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    sentinelCommandTimeout: connect_timeout * 1_000,
    sentinelRetryStrategy: retryDelay,
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
}

function clusterOf(section: Config, nodes: readonly string[], silentFor: Millis): Cluster {
  const { tls = false, connect_timeout } = section;
  return new Cluster(nodes.map(addressOf), {
    lazyConnect: true,
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    scaleReads: 'master',
    slotsRefreshInterval: SLOTS_EVERY,
    slotsRefreshTimeout: connect_timeout * 1_000,
    clusterRetryStrategy: retryDelay,
    ...natMapOf(section),
    // A certificate is for a name, which must not be resolved before it is looked at.
    ...(tls
      ? { dnsLookup: (name: string, found: (error: null, name: string) => void) => found(null, name) }
      : {}),
    redisOptions: { ...commonOf(section, silentFor), ...(tls ? { tls: {} } : {}) },
  });
}

function natMapOf({ nat_map }: Config) {
  if (nat_map === undefined) return {};
  return {
    natMap: Object.fromEntries(Object.entries(nat_map).map(([from, to]) => [from, addressOf(to)])),
  };
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, name = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? [];
  return { host: name, port: Number(port) };
}

export default module;
