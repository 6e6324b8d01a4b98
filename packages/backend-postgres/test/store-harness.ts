import { setTimeout as pause } from 'node:timers/promises';
import { type Backend, type ConfigSchema, processEnvironment } from '@sessionkit/session-core';
import { startPostgres, startPostgresPair } from '@sessionkit/test-stores/postgres';
import {
  type Address,
  type ConnectOptions,
  FaultProxy,
  type RunningStore,
  type StoreHarness,
} from '@sessionkit/testkit';
import pg from 'pg';
import module from '../src/module.js';
import resource from '../src/resource.js';

const LOGIN = { user: 'test', database: 'postgres' };

/** A backend as a configuration file makes it, on the PostgreSQL at these addresses; closing it closes its pool. */
export async function connectTo(
  addresses: readonly Address[],
  {
    via = addresses,
    pool: size,
    deadline,
    environment = { ...processEnvironment, log: () => {} },
  }: ConnectOptions = {},
  options: object = {},
): Promise<Backend> {
  const server = { ...LOGIN, ...via[0], ...(size === undefined ? {} : { pool_size: size }) };
  const section = { _class: 'postgres', server };
  const pool = await resource.create(valid(resource.config, section), { environment, deadline });
  const config = valid(module.config, {
    type: 'postgres',
    resource: 'store',
    create_table: true,
    ...options,
  });
  const context = { environment, path: 'session.backend', deadline, resource: () => pool };
  const backend = await module.create(config, context);
  const close = backend.close.bind(backend);
  let closed: Promise<void> | undefined;
  return Object.assign(backend, {
    close() {
      closed ??= close().then(() => resource.close(pool));
      return closed;
    },
  });
}

type Ask = (text: string, values?: readonly string[]) => Promise<readonly Record<string, string>[]>;

/** Asks the server at this URL of the moment, on a connection of its own. */
const asking =
  (url: () => string): Ask =>
  async (text, values = []) => {
    const client = new pg.Client({ connectionString: url(), application_name: 'harness' });
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows;
    } finally {
      await client.end();
    }
  };

/** What the suites ask beside backends. */
const beside = (ask: Ask): Pick<RunningStore, 'peek' | 'corrupt' | 'connections'> => ({
  peek: async (id) => (await ask('select * from sessions where sid = $1', [id]))[0],
  corrupt: async (id) => {
    await ask(`update sessions set record = '{"format":1}' where sid = $1`, [id]);
  },
  async connections() {
    const [row] = await ask(
      `select count(*) from pg_stat_activity where backend_type = 'client backend' and application_name <> 'harness'`,
    );
    return Number(row?.count);
  },
});

/** A single PostgreSQL with the settings that it has by itself. */
export const single: StoreHarness = {
  name: 'postgres',
  pooled: true,
  async start() {
    const { url, server, stop } = await startPostgres({ durable: true });
    if (server === undefined) throw new Error('the suites need a server of their own');
    const addresses = [addressOf(url)];
    await (await connectTo(addresses)).close();
    return {
      addresses,
      connect: (options) => connectTo(addresses, options),
      ...beside(asking(() => url)),
      kill: () => server.kill(),
      restart: () => server.start(),
      stop,
    };
  },
};

/** A primary and a synchronous standby behind one address, which leads to the standby once that is the primary: as a virtual address or a proxy of the operator's does. */
export const pair: StoreHarness = {
  name: 'postgres pair',
  pooled: true,
  async start() {
    const { primary, standby, promote, stop } = await startPostgresPair();
    if (primary.server === undefined) throw new Error('the suites need servers of their own');
    const { server } = primary;
    let { url } = primary;
    const leadsTo = { ...addressOf(url) };
    const virtual = await FaultProxy.open(leadsTo);
    const addresses = [virtual.address];
    const ask = asking(() => url);
    const streaming = `select true from pg_stat_replication where state = 'streaming'`;
    while ((await ask(streaming)).length === 0) await pause(20);
    await (await connectTo(addresses)).close();
    return {
      addresses,
      connect: ({ durable = false, ...options } = {}) => connectTo(addresses, options, { durable }),
      ...beside(ask),
      kill: () => server.kill(),
      restart: () => server.start(),
      async failOver() {
        await server.kill();
        await promote();
        url = standby.url;
        Object.assign(leadsTo, addressOf(url));
      },
      async stop() {
        await virtual.close();
        await stop();
      },
    };
  },
};

function addressOf(url: string): Address {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port) };
}

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
