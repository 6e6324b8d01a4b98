// Counts what the store is asked per request, with a backend that wraps the real one.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';

const ROUNDS = 20;

/** Calls of the store per request of a reader, a writer and one that only stays alive, while the request is answered. */
export async function countCalls() {
  const counts = { load: 0, save: 0, touch: 0, end: 0 };
  const backend = new Proxy(memory(), {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args) => {
        if (name in counts) counts[name] += 1;
        return member.apply(target, args);
      };
    },
  });
  // Touches are flushed only when asked, so that what is counted is the request's own.
  const manager = createSessionManager({ flushInterval: 3_600_000 });
  const service = manager.service('calls', { backend, transports: [cookie()], autoCreate: true });
  const handler = sessionHandler(service, (request, response, session) => {
    if (request.url === '/read') session.get('n');
    if (request.url === '/write') session.update('n', (n = 0) => n + 1);
    response.end();
  });
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}`;
  const first = await fetch(`${base}/write`);
  const headers = { cookie: first.headers.get('set-cookie').split(';')[0] };
  const rows = [];
  for (const [who, path] of [
    ['reader', '/read'],
    ['writer', '/write'],
    ['staying alive', '/'],
  ]) {
    for (const name of Object.keys(counts)) counts[name] = 0;
    for (let i = 0; i < ROUNDS; i++) await (await fetch(base + path, { headers })).arrayBuffer();
    rows.push({ who, ...Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n / ROUNDS])) });
  }
  await manager.close();
  server.closeAllConnections();
  server.close();
  return rows;
}
