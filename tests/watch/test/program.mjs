// A gateway, a client and a service behind the gateway, all of ours as a user installs it, and a way to break it: the first
// argument. Run by the test with the watch in it.
import { writeSync } from 'node:fs';
import http from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { sessionHandler } from '@sessionkit/http-node';
import { proxyRouter } from '@sessionkit/router-proxy';
import { createSessionManager, processEnvironment } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';

const [leak] = process.argv.slice(2);

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

const ask = (port, path, headers = {}, body = undefined) =>
  new Promise((resolve, reject) => {
    const request = http.request(
      { port, path, headers, method: body === undefined ? 'GET' : 'POST' },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer));
      },
    );
    request.on('error', reject);
    request.end(body);
  });

const manager = createSessionManager();
const service = manager.service('shop', {
  backend: memory(),
  transports: [cookie({ name: 'sid' })],
  autoCreate: true,
});

const behind = http.createServer((_request, response) => response.end('hello\n'));
const behindPort = await listen(behind);
const router = proxyRouter({
  service: 'shop',
  environment: processEnvironment,
  servers: [{ name: 'server1', url: `http://127.0.0.1:${behindPort}`, steer: false }],
  carriers: {
    // The gateway that does not know the name of the cookie passes it on.
    cookies: leak === 'upstream' ? [] : ['sid'],
    queries: [],
    bearer: false,
    isAdminCredential: () => false,
  },
});

const secretOf = (request) => /sid=[^.]+\.([^;]+)/.exec(request.headers.cookie ?? '')?.[1];

const LEAKS = {
  logger: (request) =>
    processEnvironment.log({ level: 'error', message: `visited with ${request.headers.cookie}` }),
  descriptor: (request) => writeSync(2, `{"msg":"${secretOf(request)}"}\n`),
  body: (request, response) =>
    response.end(JSON.stringify({ detail: `no such session: ${secretOf(request)}` })),
  base64: (request, response) => response.end(Buffer.from(`you: ${secretOf(request)}`).toString('base64')),
  header: (request, response) => response.setHeader('X-Debug', `${secretOf(request)}`),
  location: (request, response) => response.setHeader('Location', `/?_token=${secretOf(request)}`),
  field: (request, response) => response.end(`Set-Cookie: sid=${secretOf(request)}\r\n`),
};

const handler = sessionHandler(service, (request, response, session) => {
  session.set('seen', true);
  if (secretOf(request) !== undefined) LEAKS[leak]?.(request, response);
  if (!response.writableEnded) response.end('ok\n');
});
const gateway = sessionHandler(service, (request, response, session) =>
  router.handle({
    request,
    response,
    session,
    requestId: 'r1',
    clientAddress: '127.0.0.1',
    scheme: 'http',
    host: 'shop.example',
    onServer: () => {},
  }),
);
const front = http.createServer((request, response) =>
  request.url === '/behind' ? gateway(request, response) : handler(request, response),
);
const port = await listen(front);

const first = await ask(port, '/');
const sid = first.headers['set-cookie'][0].split(';')[0];
await ask(port, '/', { cookie: sid });
await ask(port, '/', { cookie: sid }, 'x=1');
await ask(port, `/?_token=${sid.slice(4)}`);
await ask(port, '/', { authorization: `Bearer ${sid.slice(4)}` });
await ask(port, '/behind', { cookie: `${sid}; theme=dark` });

for (const server of [front, behind]) {
  server.close();
  server.closeAllConnections();
}
await router.close();
await manager.close();
