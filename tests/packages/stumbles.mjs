// What newcomers trip on, all of it and twice: by the packages as `import` finds them, and by their other copies, which `require` finds.
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { createRequire } from 'node:module';
import * as imported from '@sessionkit/backend-memory';
import * as node from '@sessionkit/http-node';
import * as core from '@sessionkit/session-core';
import * as transport from '@sessionkit/transport-cookie';

const require = createRequire(import.meta.url);

/** Answers the cookie that is set, as a client sends it back. */
const ask = (port, path, headers) =>
  new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      agent: false,
      headers: { host: 'shop.example', ...headers },
    };
    get(options, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.headers['set-cookie']?.[0]?.split(';')[0]));
    }).on('error', reject);
  });

async function stumble({ memory }, { sessionHandler }, { createSessionManager }, { cookie }) {
  const manager = createSessionManager();
  const service = manager.service('shop', {
    backend: memory(),
    transports: [cookie({ options: { secure: true } })],
    autoCreate: true,
    allowOrigins: ['https://app.example'],
    keepEnded: 3600,
  });
  const handler = sessionHandler(service, (request, response, session) => {
    if (request.url === '/lossy') session.set('cart', new Map());
    response.end();
    if (request.url === '/late') session.set('late', 1);
  });
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const jar = await ask(port, '/main.css');
  await ask(port, '/lossy', { cookie: jar });
  await ask(port, '/late', { cookie: jar });
  await ask(port, '/', { cookie: jar, 'x-forwarded-for': '203.0.113.7' });
  await ask(port, '/', { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' });
  server.close();
  await manager.close();
  try {
    cookie({ options: { sameSite: 'none', secure: false } });
  } catch (error) {
    console.log(error.message);
  }
}

await stumble(imported, node, core, transport);
await stumble(
  require('@sessionkit/backend-memory'),
  require('@sessionkit/http-node'),
  require('@sessionkit/session-core'),
  require('@sessionkit/transport-cookie'),
);
