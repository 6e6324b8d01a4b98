import { exec } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Fault, startDouble, startRelay } from '@sessionkit/couchbase-double';
import { type Address, CouchbaseCluster } from './couchbase-cluster.js';

export { STATUS, startDouble } from '@sessionkit/couchbase-double';

export interface CouchbaseServer {
  /** `couchbase`, or `couchbase double`: as it stands in what is printed. */
  readonly name: string;
  /** `couchbase://HOST?network=default`, without a user in it: whatever alternate addresses tests set, its clients do not come by them. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly bucket: string;
  readonly management: CouchbaseCluster;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
  /** Starts what was killed; it may take a moment until it answers. */
  start(): Promise<void>;
  /** Lets so much time pass for the server: the double's clock is moved, a cluster's is waited for. */
  passes(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

/** A server whose nodes clients of `url` reach by relays: these are the nodes' alternate addresses. */
export interface RelayedCouchbase extends CouchbaseServer {
  /** Past the relays. */
  readonly direct: string;
  readonly nodes: readonly Address[];
  /** Of the relays, one for each node. */
  readonly addresses: readonly Address[];
  /** Connections of clients that are open at the relays. */
  connections(): Promise<number>;
  /** Requests of each kind since the last call. */
  counts(): Promise<Readonly<Record<string, number>>>;
  inject(fault: Fault): Promise<void>;
  heal(): Promise<void>;
  /** Resets all connections and takes no new ones, until `pass`. */
  refuse(): Promise<void>;
  pass(): Promise<void>;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** How tests log in where the environment names no cluster. */
const DOUBLE = { user: 'test', password: 'test-password', bucket: 'sessionkit' };
/** Of the REST interface, where nothing else is said: https://docs.couchbase.com/server/current/install/install-ports.html */
const MANAGEMENT = 8091;

/** How to log in to the cluster that `COUCHBASE_URL` names, as `couchbase://USER:PASSWORD@HOST/BUCKET`, else to the double. */
export function couchbaseLogin({ COUCHBASE_URL: given }: Variables = process.env): typeof DOUBLE {
  if (given === undefined) return DOUBLE;
  const { username, password, pathname } = new URL(given);
  const login = {
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    bucket: decodeURIComponent(pathname.slice(1)),
  };
  if (Object.values(login).includes(''))
    throw new Error('COUCHBASE_URL is couchbase://USER:PASSWORD@HOST/BUCKET');
  return login;
}

/** As it stands in what is printed. */
export function couchbaseName({ COUCHBASE_URL: given }: Variables = process.env): string {
  return given === undefined ? 'couchbase double' : 'couchbase';
}

/**
 * The cluster that `COUCHBASE_URL` names, as `couchbase://USER:PASSWORD@HOST/BUCKET`; else a double of one, in a thread of its own, since no server can be installed with npm
 * or apt. Keys of a test begin with a prefix of its own: a cluster that the environment named is not empty.
 */
export async function startCouchbase(variables: Variables = process.env): Promise<CouchbaseServer> {
  const login = couchbaseLogin(variables);
  const { user, password, bucket } = login;
  const name = couchbaseName(variables);
  const given = variables.COUCHBASE_URL;
  if (given === undefined) {
    const double = await startDouble(login);
    return {
      ...login,
      name,
      url: `${double.url}?network=default`,
      management: new CouchbaseCluster(double.management, user, password, bucket),
      kill: () => double.stop(),
      start: async () => {
        await double.start();
      },
      passes: (seconds) => double.advance(seconds),
      stop: () => double.close(),
    };
  }
  const { protocol, host, hostname } = new URL(given);
  const [node = ''] = hostname.split(',');
  const rest = variables.COUCHBASE_REST ?? `http://${node}:${MANAGEMENT}`;
  const management = new CouchbaseCluster(rest, user, password, bucket);
  return {
    ...login,
    name,
    url: `${protocol}//${host}?network=default`,
    management,
    kill: () => command(variables, 'COUCHBASE_KILL', 'docker kill couchbase'),
    start: () => command(variables, 'COUCHBASE_START', 'docker start couchbase'),
    passes: (seconds) => pause(Math.max(0, seconds) * 1_000),
    stop: () => management.forget(),
  };
}

/** The server with a relay before each of its nodes. */
export async function startRelayedCouchbase(variables: Variables = process.env): Promise<RelayedCouchbase> {
  const server = await startCouchbase(variables);
  if (server.url.startsWith('couchbases:'))
    throw new Error(
      'nothing can be told of what passes encrypted: this test needs COUCHBASE_URL=couchbase://…',
    );
  const nodes = await server.management.nodes();
  const relays = await Promise.all(nodes.map((node) => startRelay(node)));
  const addresses = relays.map(({ port }) => ({ host: '127.0.0.1', port }));
  await server.management.advertise(addresses);
  const each = async <T>(ask: (relay: (typeof relays)[number]) => Promise<T>) => Promise.all(relays.map(ask));
  return {
    ...server,
    // One of them tells clients where the others are.
    url: `couchbase://127.0.0.1:${addresses[0]?.port}?network=external`,
    direct: server.url,
    nodes,
    addresses,
    connections: async () => (await each((relay) => relay.connections())).reduce((sum, n) => sum + n, 0),
    async counts() {
      const sums: Record<string, number> = {};
      for (const counts of await each((relay) => relay.counts()))
        for (const [operation, count] of Object.entries(counts))
          sums[operation] = (sums[operation] ?? 0) + count;
      return sums;
    },
    async inject(fault) {
      await each((relay) => relay.inject(fault));
    },
    async heal() {
      await each((relay) => relay.heal());
    },
    async refuse() {
      await each((relay) => relay.stop());
    },
    async pass() {
      await each((relay) => relay.start());
    },
    async stop() {
      await server.stop();
      await each((relay) => relay.close());
    },
  };
}

/** Runs a command of the operator: a cluster that the environment named cannot be killed by a test. */
async function command(variables: Variables, name: string, example: string): Promise<void> {
  const line = variables[name];
  if (line === undefined)
    throw new Error(
      `this case kills the nodes of the cluster and starts them again: set COUCHBASE_KILL and COUCHBASE_START to shell commands that do, such as ${name}='${example}'`,
    );
  await promisify(exec)(line);
}
