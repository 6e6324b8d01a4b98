import { createServer } from 'node:http';
import { couchbase } from '@sessionkit/backend-couchbase';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { connect } from 'couchbase';

const {
  HOST = '127.0.0.1',
  PORT = '8080',
  COUCHBASE_URL = 'couchbase://shop:password@127.0.0.1/shop',
} = process.env;

// Your own cluster: user, password and bucket are no part of the address that the SDK takes.
const { protocol, host, username, password, pathname, search } = new URL(COUCHBASE_URL);
const cluster = await connect(`${protocol}//${host}${search}`, {
  username: decodeURIComponent(username),
  password: decodeURIComponent(password),
});
// While Couchbase is away visits are answered with 503, and served again when it is back.
const backend = couchbase(cluster.bucket(pathname.slice(1)), { prefix: 'shop:' });

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
    await cluster.close();
  });
