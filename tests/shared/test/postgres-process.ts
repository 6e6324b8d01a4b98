// One process of an application: sessions in PostgreSQL, an HTTP server that shows and changes them.
import { createServer } from 'node:http';
import { postgres } from '@sessionkit/backend-postgres';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { bearer } from '@sessionkit/transport-bearer';
import pg from 'pg';

const [connectionString] = process.argv.slice(2);
const backend = postgres(new pg.Pool({ connectionString, max: 5 }), { createTable: true });
const manager = createSessionManager();
const api = manager.service('api', { backend, transports: [bearer()] });

const server = createServer(
  sessionHandler(api, async (request, response, session) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/login') await session.login('ann');
    if (pathname === '/logout') await session.logout();
    if (pathname === '/hold')
      await new Promise((resolve) => session.signal.addEventListener('abort', resolve, { once: true }));
    for (const [key, value] of searchParams) session.set(key, value);
    if (pathname === '/add') session.update('n', (n: number | undefined) => (n ?? 0) + 1);
    await session.commit();
    response.end(JSON.stringify({ user: session.user, data: session.all() }));
  }),
);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') process.send?.(address?.port);
});
