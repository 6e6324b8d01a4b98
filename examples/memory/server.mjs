import { createServer } from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';

const { HOST = '127.0.0.1', PORT = '8080' } = process.env;

// Gone with the process; at 100,000 sessions it makes room by removing those that are over.
const backend = memory({ maxSessions: 100_000 });

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
  });
