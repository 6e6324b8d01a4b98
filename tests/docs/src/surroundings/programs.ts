import { type Around, SERVICE, type Surroundings } from './around.js';

const EXPRESS = `${SERVICE}
import { createServer } from 'node:http';
import express from 'express';
import { WebSocketServer } from 'ws';
const app = express();
const server = createServer(app);
const sockets = new WebSocketServer({ noServer: true });
const [showCart, pay, serve] = [(_, response) => response.end(), (_, response) => response.end(), () => {}];
`;

/** A service over Express that has nothing but what the block gives it: starts, is asked `steps`, and ends. */
const express = (steps: string): Around => ({
  before: EXPRESS,
  after: `
import assert from 'node:assert/strict';
await new Promise((listening) => server.listen(0, listening));
const url = \`http://127.0.0.1:\${server.address().port}\`;
${steps}
server.closeAllConnections();
server.close();
await manager.close();`,
});

const FASTIFY = `${SERVICE}
import Fastify from 'fastify';
const app = Fastify();
`;

const HONO = `${SERVICE}
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { WebSocket, WebSocketServer } from 'ws';
const app = new Hono();
const pay = (c) => c.text('paid');
`;

/** The same over Hono, on Node. */
const hono = (steps: string, before = ''): Around => ({
  before: `${HONO}${before}`,
  after: `
import assert from 'node:assert/strict';
const websocket = { server: new WebSocketServer({ noServer: true }) };
const server = createAdaptorServer({ fetch: app.fetch, websocket });
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const url = \`http://127.0.0.1:\${server.address().port}\`;
${steps}
server.closeAllConnections();
server.close();
await manager.close();`,
});

const LOGIN = `
const answer = await fetch(url + '/login', { method: 'POST', redirect: 'manual' });
assert.equal(answer.status, 303);
assert.match(answer.headers.get('set-cookie'), /^sxapi-sess=/);`;

const refused = (...routes: readonly string[]) => `
for (const route of ${JSON.stringify(routes)}) {
  const [method, path] = route.split(' ');
  assert.equal((await fetch(url + path, { method })).status, 401, route);
}`;

/** Programs of which a document shows a part. */
export const PROGRAMS: Surroundings = {
  'packages/http-node/README.md': {
    "app.use(sessionMiddleware(service, { trustProxy: ['10.0.0.0/8'] }));": express(LOGIN),
    "app.get('/cart', requireSession(), showCart);": {
      ...express(refused('GET /cart', 'GET /account', 'POST /pay')),
      before: `${EXPRESS}import { sessionMiddleware } from '@sessionkit/http-node';\napp.use(sessionMiddleware(service));`,
    },
    "server.on('upgrade', async (request, socket, head)": express(`
import { WebSocket } from 'ws';
const socket = new WebSocket(url.replace('http', 'ws'));
await new Promise((open, failed) => socket.once('open', open).once('error', failed));
socket.terminate();`),
  },
  'packages/http-fastify/README.md': {
    "app.get('/cart', { config: { session: 'required' } }, showCart);": {
      before: `${FASTIFY}
import assert from 'node:assert/strict';
import { sessionPlugin } from '@sessionkit/http-fastify';
const [showCart, pay] = [async () => 'cart', async () => 'paid'];
app.register(sessionPlugin, { service });`,
      after: `
for (const [method, url] of [['GET', '/cart'], ['GET', '/account'], ['POST', '/pay']])
  assert.equal((await app.inject({ method, url })).statusCode, 401);
const answer = await app.inject({ method: 'POST', url: '/login' });
assert.equal(answer.statusCode, 303);
assert.match(String(answer.headers['set-cookie']), /^sxapi-sess=/);
await app.close();
await manager.close();`,
    },
    "app.server.on('upgrade'": {
      before: `${FASTIFY}
import { WebSocket, WebSocketServer } from 'ws';
const sockets = new WebSocketServer({ noServer: true });
const serve = () => {};`,
      after: `
const socket = new WebSocket((await app.listen({ port: 0 })).replace('http', 'ws'));
await new Promise((open, failed) => socket.once('open', open).once('error', failed));
process.exit();`,
    },
  },
  'packages/http-fetch/README.md': {
    'app.use(sessionMiddleware(service, { address:': hono(
      `${LOGIN}${refused('GET /account', 'POST /pay')}`,
      "import { sessionMiddleware } from '@sessionkit/http-fetch';\n",
    ),
    "app.get(\n  '/ws',": hono(
      `
const socket = new WebSocket(url.replace('http', 'ws') + '/ws', { headers: ann.headers });
await new Promise((open, failed) => socket.once('open', open).once('error', failed));
const closed = new Promise((close) => socket.once('close', close));
await manager.end((await manager.list()).items[0].id, { name: 'olga' });
assert.equal(await closed, 4401);`,
      `import { sessionMiddleware } from '@sessionkit/http-fetch';
import { signedIn } from '@sessionkit/testkit';
app.use(sessionMiddleware(service));
const ann = await signedIn(service, 'ann');
`,
    ),
    'sessionFetch(service, (request, session)': {
      before: SERVICE,
      after: `
import assert from 'node:assert/strict';
import * as self from './program.mjs';
assert.equal(await (await self.default.fetch(new Request('http://shop/'))).text(), 'hello undefined');
const answer = await byHand(new Request('http://shop/'));
assert.equal(answer.status, 200);
await manager.close();`,
    },
  },
  'packages/router-proxy/README.md': {
    'if (!verifySignature(request.headers, key,': {
      before: `
const key = 'a key of 16 letters';
const request = { headers: { 'x-session-signature': 't=0,v1=00' }, method: 'GET', url: '/' };
let status;
const response = { writeHead: (given) => ((status = given), { end() {} }) };`,
      after: `if (status !== 403) throw new Error('a forged signature was not refused');`,
    },
  },
  'packages/backend-redis/README.md': {
    'const client = new Cluster([{ host, port }], {': {
      before: `
import { redis } from '@sessionkit/backend-redis';
import { Cluster } from 'ioredis';
const [host, port] = ['127.0.0.1', 1];`,
      after: `
client.on('error', () => {});
redis(client);
process.exit();`,
    },
  },
};
