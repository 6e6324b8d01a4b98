import { type Backend, type ConfigSchema, processEnvironment } from '@sessionkit/session-core';
import { startMariadb } from '@sessionkit/test-stores/mariadb';
import type { Address, ConnectOptions, StoreHarness } from '@sessionkit/testkit';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import module from '../src/module.js';
import resource from '../src/resource.js';

const LOGIN = { user: 'root', database: 'sessionkit' };

/** A backend as a configuration file makes it, on the MariaDB at these addresses; closing it closes its pool. */
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
  const section = { _class: 'mysql', server };
  const pool = await resource.create(valid(resource.config, section), { environment, deadline });
  const config = valid(module.config, { type: 'mysql', resource: 'store', create_table: true, ...options });
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

/** A single MariaDB that keeps what it has acknowledged. */
export const single: StoreHarness = {
  name: 'mariadb',
  pooled: true,
  async start() {
    const mariadb = await startMariadb({ durable: true });
    const { server } = mariadb;
    if (server === undefined) throw new Error('the suites need a server of their own');
    const addresses = [{ host: '127.0.0.1', port: Number(new URL(mariadb.url).port) }];
    const ask = async (sql: string, values: readonly string[] = []) => {
      const { hostname: host, port, username: user } = new URL(mariadb.url);
      const connection = await createConnection({ host, port: Number(port), user });
      try {
        return (await connection.query<RowDataPacket[]>(sql, [...values]))[0];
      } finally {
        await connection.end();
      }
    };
    await (await connectTo(addresses)).close();
    return {
      addresses,
      connect: (options) => connectTo(addresses, options),
      peek: async (id) => (await ask('select * from sessionkit.sessions where sid = ?', [id]))[0],
      corrupt: async (id) => {
        await ask(`update sessionkit.sessions set record = '{"format":1}' where sid = ?`, [id]);
      },
      async connections() {
        const [row] = await ask(
          `select count(*) as many from information_schema.processlist where db = 'sessionkit'`,
        );
        return Number(row?.many);
      },
      kill: () => server.kill(),
      restart: () => server.start(),
      stop: () => mariadb.stop(),
    };
  },
};

/** A section as the schema of its module gives it out. */
function valid<Config>(schema: ConfigSchema<Config>, section: object): Config {
  const { value, issues } = schema['~standard'].validate(section) as { value?: Config; issues?: unknown };
  if (issues !== undefined) throw new Error(JSON.stringify(issues));
  return value as Config;
}
