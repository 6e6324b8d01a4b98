import { createServer } from 'node:http';
import { postgres } from '@sessionkit/backend-postgres';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import pg from 'pg';

const {
  HOST = '127.0.0.1',
  PORT = '8080',
  POSTGRES_URL = 'postgres://127.0.0.1:5432/postgres',
} = process.env;

// Your own pool: a statement of a session may not wait for ever.
const pool = new pg.Pool({
  connectionString: POSTGRES_URL,
  connectionTimeoutMillis: 1_000,
  statement_timeout: 2_000,
});
// While PostgreSQL is away visits are answered with 503, and served again when it is back.
const backend = postgres(pool, { table: 'shop_sessions', createTable: true });

const sessions = createSessionManager();
const shop = sessions.service('shop', { backend, transports: [cookie()], autoCreate: 'on_write' });

const handler = sessionHandler(shop, async (request, response, session) => {
  const { pathname, searchParams } = new URL(request.url, 'http://shop');
  if (request.method === 'POST' && pathname === '/login') {
    // A real service checks a password here.
    await session.login(searchParams.get('user') ?? 'ann');
  }
  if (request.method === 'POST' && pathname === '/logout') await session.logout();
  if (session.id) session.update('visits', (visits = 0) => visits + 1);
  response.end(`${session.user ?? 'nobody'}, visit ${session.get('visits') ?? 0}\n`);
});

const server = createServer(handler).listen(Number(PORT), HOST, () => {
  console.log(`shop: http://${HOST}:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, async () => {
    server.close();
    await sessions.close();
    await pool.end();
  });
