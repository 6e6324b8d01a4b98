import { isIP } from 'node:net';
import { CONTRACT_VERSION, type ResourceModule } from '@sessionkit/session-core';
import { createPool, type Pool, type SslOptions } from 'mysql2';
import { z } from 'zod';

/** How long core waits for the store, in ms, where nobody says it. */
const WAIT = 2_000;

const seconds = (usual: number) => z.number().min(0).max(3_600).default(usual);

const tls = z.strictObject({
  ca: z.string().optional().describe('Certificates to trust, PEM'),
  cert: z.string().optional().describe('Certificate of this client, PEM'),
  key: z.string().optional().describe('Its key, PEM'),
});

const server = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Host, or path of the Unix socket'),
    port: z.int().min(1).max(65_535).default(3_306).describe('Its port'),
    user: z.string().min(1).describe('Who connects'),
    password: z.string().optional().describe('Password of the user'),
    database: z.string().min(1).describe('Database to connect to'),
    ssl: z
      .union([z.boolean(), tls])
      .default(false)
      .describe(
        'TLS; the certificate of the server is always checked, for the name of the host, which has to be one and no address',
      ),
    pool_size: z.int().min(1).max(1_000).default(10).describe('Largest number of connections'),
    connect_timeout: seconds(0.75).describe('Seconds that making a connection may take'),
    idle_timeout: seconds(10).describe('Seconds after which an unused connection is closed'),
    lock_timeout: z
      .int()
      .min(1)
      .max(3_600)
      .optional()
      .describe(
        'Whole seconds after which the server gives up waiting for a lock. Default: `store_deadline`',
      ),
  })
  .superRefine(({ host, ssl }, context) => {
    if (ssl === false || isIP(host) === 0) return;
    const message = `the driver looks for no address in a certificate: with ssl give the host by its name, not ${host}`;
    context.addIssue({ code: 'custom', path: ['host'], message });
  });

const config = z.strictObject({
  _class: z.literal('mysql'),
  server: server.describe('The server, and the pool of connections to it'),
});

type Config = z.infer<typeof config>;

const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'mysql',
  config,
  create({ server }, { deadline = WAIT }) {
    const { host, ssl, password, lock_timeout = Math.ceil(deadline / 1_000) } = server;
    const pool = createPool({
      ...(host.startsWith('/') ? { socketPath: host } : { host, port: server.port }),
      user: server.user,
      database: server.database,
      ...(password === undefined ? {} : { password }),
      ...(ssl === false ? {} : { ssl: tlsOptions(ssl === true ? {} : ssl) }),
      charset: 'utf8mb4',
      connectionLimit: server.pool_size,
      maxIdle: Math.max(0, server.pool_size - 1),
      idleTimeout: server.idle_timeout * 1_000,
      connectTimeout: Math.ceil(server.connect_timeout * 1_000),
      enableKeepAlive: true,
    });
    // First on each connection, and without waiting: what is asked next stands behind it. A connection that it fails on is lost, which that one is told.
    pool.on('connection', (connection) =>
      connection.query(
        `set session innodb_lock_wait_timeout = ${lock_timeout}, lock_wait_timeout = ${lock_timeout}`,
        () => {},
      ),
    );
    return pool;
  },
  close(pool) {
    // A connection that was lost, or was not made yet, is told of as an error here; it has ended all the same.
    return new Promise((resolve) => (pool as Pool).end(() => resolve()));
  },
};

/** The library looks for the name of the host in a certificate only where it is told to. */
function tlsOptions(options: z.infer<typeof tls>): SslOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), verifyIdentity: true };
}

export default module;
