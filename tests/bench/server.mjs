// One variant in a process of its own. Tells its port and the cookies of its sessions, and its CPU time when asked.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { sessionHandler } from '@sessionkit/http-node';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';

const SESSIONS = 1_000;
const data = () => ({
  user: { name: 'ann', roles: ['reader', 'writer'] },
  cart: Array.from({ length: 12 }, (_, i) => ({ sku: `sku-${i}`, count: i, price: 9.95, note: 'gift' })),
  theme: 'dark',
  visits: 1,
});

const variants = {
  /** No session at all. */
  bare() {
    const listener = (_request, response) => response.end('dark');
    return { listener, cookies: [] };
  },
  /** What one would write by hand: HMAC-signed id, one Map read, the whole data parsed, written back when changed. */
  floor() {
    const key = randomBytes(32);
    const store = new Map();
    const sign = (id) => createHmac('sha256', key).update(id).digest('base64url');
    const cookies = Array.from({ length: SESSIONS }, () => {
      const id = randomBytes(24).toString('base64url');
      store.set(id, JSON.stringify(data()));
      return `floor=${id}.${sign(id)}`;
    });
    const listener = (request, response) => {
      const [id, mac] = (request.headers.cookie ?? '').slice('floor='.length).split('.');
      if (!timingSafeEqual(Buffer.from(sign(id)), Buffer.from(mac))) return response.writeHead(401).end();
      const session = JSON.parse(store.get(id));
      if (request.url === '/write') {
        session.visits += 1;
        store.set(id, JSON.stringify(session));
      }
      response.end(session.theme);
    };
    return { listener, cookies };
  },
  /** SessionKit over the memory backend; a handler reads one key, every tenth changes one. */
  async sessionkit() {
    const manager = createSessionManager();
    const service = manager.service('bench', { backend: memory(), transports: [cookie()], autoCreate: true });
    const listener = sessionHandler(service, (request, response, session) => {
      if (request.url === '/write') session.update('visits', (n) => n + 1);
      response.end(session.get('theme'));
    });
    const cookies = [];
    for (let i = 0; i < SESSIONS; i++) {
      const visit = await service.open({
        method: 'GET',
        path: '/',
        secure: false,
        host: 'bench',
        upgrade: false,
        untrustedProxy: false,
        header: () => undefined,
        query: () => [],
        client: () => ({ ip: '127.0.0.1', port: 1, cipher: '', userAgent: '', attributes: {} }),
      });
      visit.session.merge(data());
      const fields = await visit.finish({ status: 200, cacheControl: undefined });
      visit.close();
      cookies.push(fields.find(([name]) => name.toLowerCase() === 'set-cookie')[1].split(';')[0]);
    }
    return { listener, cookies };
  },
};

const { listener, cookies } = await variants[process.argv[2]]();
const server = createServer(listener).listen(0, '127.0.0.1', () =>
  process.send({ port: server.address().port, cookies }),
);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system, heap: process.memoryUsage().heapUsed });
});
process.on('disconnect', () => process.exit());
