import { createServer } from 'node:http';
import { mysql } from '@sessionkit/backend-mysql';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { createPool } from 'mysql2';

const { HOST = '127.0.0.1', PORT = '8080', MYSQL_URL = 'mysql://root@127.0.0.1:3306/shop' } = process.env;

// Your own pool: a statement of a session may not wait for ever.
const pool = createPool({ uri: MYSQL_URL, connectTimeout: 1_000 });
pool.on('connection', (connection) => connection.query('set session innodb_lock_wait_timeout = 2', () => {}));
// While MariaDB is away visits are answered with 503, and served again when it is back.
const backend = mysql(pool, { table: 'shop_sessions', createTable: true });

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
    pool.end(() => {});
  });
