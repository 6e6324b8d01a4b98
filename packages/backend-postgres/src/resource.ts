import { CONTRACT_VERSION, type ResourceModule } from '@sessionkit/session-core';
import pg from 'pg';
import { z } from 'zod';

/** How long core waits for the store, in ms, where nobody says it. */
const WAIT = 2_000;

const seconds = (usual: number) => z.number().min(0).max(3_600).default(usual);

const tls = z.strictObject({
  ca: z.string().optional().describe('Certificates to trust, PEM'),
  cert: z.string().optional().describe('Certificate of this client, PEM'),
  key: z.string().optional().describe('Its key, PEM'),
  server_name: z.string().optional().describe('Name that the certificate must have, in place of host'),
});

const config = z.strictObject({
  _class: z.literal('postgres'),
  server: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1').describe('Host, or folder of the Unix socket'),
      port: z.int().min(1).max(65_535).default(5_432).describe('Its port'),
      user: z.string().min(1).describe('Who connects'),
      password: z
        .string()
        .optional()
        .describe('Password of the user. Default: where `pg` looks, `PGPASSWORD` and `~/.pgpass`'),
      database: z.string().min(1).describe('Database to connect to'),
      ssl: z
        .union([z.boolean(), tls])
        .default(false)
        .describe('TLS; the certificate of the server is always checked'),
      pool_size: z.int().min(1).max(1_000).default(10).describe('Largest number of connections'),
      connect_timeout: seconds(0.75).describe('Seconds that making a connection may take'),
      idle_timeout: seconds(10).describe('Seconds after which an unused connection is closed'),
      statement_timeout: z
        .number()
        .min(0)
        .max(3_600)
        .optional()
        .describe(
          'Seconds after which the server gives a statement up; 0: it does not. Default: `store_deadline`',
        ),
      application_name: z.string().default('sessionkit').describe('Name in pg_stat_activity'),
    })
    .describe('The server, and the pool of connections to it'),
});

type Config = z.infer<typeof config>;

const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'postgres',
  config,
  create({ server }, { environment, deadline = WAIT }) {
    const { ssl, password, statement_timeout } = server;
    const connecting = Math.ceil(server.connect_timeout * 1_000);
    // Nobody waits longer for an answer than core does; whoever waits that long is to have it.
    const stating = Math.ceil(statement_timeout === undefined ? deadline : statement_timeout * 1_000);
    // The timeout of a pool is for waiting and for connecting alike. While all connections are in use waiting is right; connecting to a server that
    // says nothing is not: whoever came back meanwhile would be found that much later.
    class Client extends pg.Client {
      constructor(options: pg.ClientConfig = {}) {
        // A spread leaves the password out, which the pool hides.
        super({
          ...options,
          ...(password === undefined ? {} : { password }),
          connectionTimeoutMillis: connecting,
        });
      }
    }
    const pool = new pg.Pool({
      host: server.host,
      port: server.port,
      user: server.user,
      database: server.database,
      ...(password === undefined ? {} : { password }),
      ssl: typeof ssl === 'boolean' ? ssl : tlsOptions(ssl),
      max: server.pool_size,
      Client,
      connectionTimeoutMillis: Math.max(deadline, connecting),
      idleTimeoutMillis: server.idle_timeout * 1_000,
      ...(stating === 0 ? {} : { statement_timeout: stating }),
      application_name: server.application_name,
      keepAlive: true,
    });
    // Without a listener a broken idle connection would end the process; the pool has replaced it already.
    pool.on('error', (error) =>
      environment.log({ level: 'debug', message: `postgres: an idle connection was lost: ${error.message}` }),
    );
    return pool;
  },
  async close(pool) {
    await (pool as pg.Pool).end();
  },
};

function tlsOptions({ server_name, ca, cert, key }: z.infer<typeof tls>) {
  const given = Object.entries({ ca, cert, key, servername: server_name });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

export default module;
