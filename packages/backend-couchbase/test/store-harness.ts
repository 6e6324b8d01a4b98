import { randomBytes } from 'node:crypto';
import {
  type Backend,
  type ConfigSchema,
  processEnvironment,
  type SessionId,
} from '@sessionkit/session-core';
import {
  couchbaseLogin,
  couchbaseName,
  type RelayedCouchbase,
  startRelayedCouchbase,
} from '@sessionkit/test-stores/couchbase';
import type { Address, ConnectOptions, StoreHarness } from '@sessionkit/testkit';
import { type Cluster, connect } from 'couchbase';
import module from '../src/module.js';
import { Keys, type Level } from '../src/options.js';
import resource from '../src/resource.js';

/** Keys of a harness begin with this, in its processes as well: a cluster that the environment names is not empty. */
const PREFIX = 'SESSIONKIT_TEST_COUCHBASE_PREFIX';
const ANSWERS_WITHIN = 120_000;

type Variables = Readonly<Record<string, string | undefined>>;

/** What the backends of the harness that was started last begin their keys with. */
export function prefixOf(name = ''): string {
  return `${process.env[PREFIX] ?? ''}${name}:`;
}

/**
 * A backend as a configuration file makes it, on the node at these addresses; closing it closes its connection. The SDK asks the first address where the nodes are: one that is to
 * come `via` proxies asks for the nodes' alternate addresses.
 */
export async function connectTo(
  addresses: readonly Address[],
  {
    via,
    deadline,
    durable,
    environment = { ...processEnvironment, log: () => {} },
  }: Omit<ConnectOptions, 'durable'> & { readonly durable?: boolean | Level | undefined } = {},
  variables: Variables = process.env,
): Promise<Backend> {
  const [{ host, port } = { host: '127.0.0.1', port: 0 }] = via ?? addresses;
  const network = via === undefined ? 'default' : 'external';
  const section = {
    _class: 'couchbase',
    cluster: `couchbase://${host}:${port}?network=${network}`,
    ...couchbaseLogin(variables),
  };
  const connection = resource.create(valid(resource.config, section), { environment, deadline });
  const settings = { type: 'couchbase', resource: 'store', key_ns: prefixOf(), durable };
  const context = { environment, path: 'session.backend', deadline, resource: () => connection };
  const backend = await module.create(valid(module.config, settings), context);
  const close = backend.close.bind(backend);
  let closed: Promise<void> | undefined;
  return Object.assign(backend, {
    close() {
      closed ??= close().then(() => resource.close(connection));
      return closed;
    },
  });
}

/**
 * The double, or the cluster that the environment names. The double keeps its documents when it is stopped, as a node does that has them on disk: `durable` is the level with which a
 * real one has them there before it acknowledges, for the suite that kills it.
 */
export function storeOf({
  durable,
  variables = process.env,
}: {
  readonly durable?: Level | undefined;
  readonly variables?: Variables | undefined;
} = {}): StoreHarness {
  return {
    name: couchbaseName(variables),
    async start() {
      process.env[PREFIX] = `${randomBytes(6).toString('hex')} `;
      const server = await startRelayedCouchbase(variables);
      const { user, password, bucket, direct, nodes, addresses } = server;
      const aside = await connect(direct, { username: user, password });
      const documents = aside.bucket(bucket).defaultCollection();
      const keys = new Keys(prefixOf());
      return {
        addresses,
        async connect(options = {}) {
          if (options.via !== undefined) await server.management.advertise(options.via);
          // Past the relays nobody is counted, and nobody who left a moment ago.
          return connectTo(nodes, { ...options, durable: options.durable ?? durable }, variables);
        },
        async peek(id: SessionId) {
          const { exists } = await documents.exists(keys.session(id));
          return exists ? (await documents.get(keys.session(id))).content : undefined;
        },
        async corrupt(id: SessionId) {
          await documents.replace(keys.session(id), { session: { format: 1 } }, { preserveExpiry: true });
        },
        connections: () => server.connections(),
        kill: () => server.kill(),
        restart: () => restarted(server, aside),
        async stop() {
          await aside.close();
          await server.stop();
        },
      };
    },
  };
}

/** As a configuration file makes its backends that says no more than it must. */
export const single = storeOf();

/** Starts the nodes, and waits until they answer. */
async function restarted(server: RelayedCouchbase, aside: Cluster): Promise<void> {
  await server.start();
  const documents = aside.bucket(server.bucket).defaultCollection();
  const limit = performance.now() + ANSWERS_WITHIN;
  for (;;) {
    try {
      await documents.exists('sessionkit', { timeout: 2_000 });
      return;
    } catch (error) {
      if (performance.now() > limit) throw error;
    }
  }
}

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
