import { createServer } from 'node:http';
import { redis } from '@sessionkit/backend-redis';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { Redis } from 'ioredis';

const { HOST = '127.0.0.1', PORT = '8080', REDIS_URL = 'redis://127.0.0.1:6379' } = process.env;

// Your own client. It must not queue or send again by itself: that could change a session twice.
const client = new Redis(REDIS_URL, {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  lazyConnect: true,
});
client.on('error', (error) => console.error(`redis: ${error.message}`));
// While Redis is away visits are answered with 503, and served again when it is back.
await client.connect().catch(() => {});
const backend = redis(client, { prefix: 'shop:' });

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
    client.disconnect();
  });
