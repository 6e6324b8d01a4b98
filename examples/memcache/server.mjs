import { createServer } from 'node:http';
import { memcache } from '@sessionkit/backend-memcache';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { MemcacheClient } from 'memcache-client';

const { HOST = '127.0.0.1', PORT = '8080', MEMCACHE_URL = 'memcached://127.0.0.1:11211' } = process.env;

// Your own client: one for each server, with as many connections as requests may wait at a time.
const { hostname, port } = new URL(MEMCACHE_URL);
const server = { server: `${hostname}:${port || 11211}`, maxConnections: 10 };
const client = new MemcacheClient({ server, noDelay: true, connectTimeout: 750 });
// While memcached is away visits are answered with 503, and served again when it is back. What it has forgotten is logged out.
const backend = memcache(client, { prefix: 'shop:' });

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

const http = createServer(handler).listen(Number(PORT), HOST, () => {
  console.log(`shop: http://${HOST}:${http.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, async () => {
    http.close();
    await sessions.close();
    client.shutdown();
  });
