import { type Backend, type ConfigSchema, processEnvironment } from '@sessionkit/session-core';
import { startPostgres } from '@sessionkit/test-stores/postgres';
import type { Address, ConnectOptions, StoreHarness } from '@sessionkit/testkit';
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

/** A single PostgreSQL with the settings that it has by itself. */
export const single: StoreHarness = {
  name: 'postgres',
  pooled: true,
  async start() {
    const postgres = await startPostgres({ durable: true });
    const { server } = postgres;
    if (server === undefined) throw new Error('the suites need a server of their own');
    const addresses = [{ host: '127.0.0.1', port: Number(new URL(postgres.url).port) }];
    const ask = async (text: string, values: readonly string[] = []) => {
      const client = new pg.Client({ connectionString: postgres.url, application_name: 'harness' });
      await client.connect();
      try {
        return (await client.query(text, [...values])).rows;
      } finally {
        await client.end();
      }
    };
    await (await connectTo(addresses)).close();
    return {
      addresses,
      connect: (options) => connectTo(addresses, options),
      peek: async (id) => (await ask('select * from sessions where sid = $1', [id]))[0],
      corrupt: async (id) => {
        await ask(`update sessions set record = '{"format":1}' where sid = $1`, [id]);
      },
      async connections() {
        const [row] = await ask(
          `select count(*) from pg_stat_activity where backend_type = 'client backend' and application_name <> 'harness'`,
        );
        return Number(row.count);
      },
      kill: () => server.kill(),
      restart: () => server.start(),
      stop: () => postgres.stop(),
    };
  },
};

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
