import type { Around } from './document.js';

const EXPRESS = `
import { createServer } from 'node:http';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import express from 'express';
import { WebSocketServer } from 'ws';
const manager = createSessionManager();
const service = manager.service('shop', { backend: memory(), transports: [cookie()] });
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

/** Surroundings of blocks that are parts of programs, by a line that the block has: they make it a program, and ask what the block is for. */
export const AROUND: Readonly<Record<string, Around>> = {
  "app.use(sessionMiddleware(service, { trustProxy: ['10.0.0.0/8'] }));\napp.post('/login', async (req, res)":
    express(`
const answer = await fetch(url + '/login', { method: 'POST', redirect: 'manual' });
assert.equal(answer.status, 303);
assert.match(answer.headers.get('set-cookie'), /^sxapi-sess=/);`),
  "app.get('/cart', requireSession(), showCart);": {
    ...express(`
for (const [path, method] of [['/cart', 'GET'], ['/account', 'GET'], ['/pay', 'POST']])
  assert.equal((await fetch(url + path, { method })).status, 401);`),
    before: `${EXPRESS}import { sessionMiddleware } from '@sessionkit/http-node';\napp.use(sessionMiddleware(service));`,
  },
  "const settings = httpSettings();\nserver.on('upgrade', async (request, socket, head) => {\n  const opened = await openUpgrade(service, request, socket, settings);\n  if (opened === undefined) return; // refused, and answered\n  opened.session.signal":
    express(`
import { WebSocket } from 'ws';
const socket = new WebSocket(url.replace('http', 'ws'));
await new Promise((open, failed) => socket.once('open', open).once('error', failed));
socket.terminate();`),
  'if (!verifySignature(request.headers, key,': {
    before: `
const key = 'a key of 16 letters';
const request = { headers: { 'x-session-signature': 't=0,v1=00' }, method: 'GET', url: '/' };
let status;
const response = { writeHead: (given) => ((status = given), { end() {} }) };`,
    after: `if (status !== 403) throw new Error('a forged signature was not refused');`,
  },
  "app.get('/cart', { config: { session: 'required' } }, showCart);": {
    before: `
import assert from 'node:assert/strict';
import { memory } from '@sessionkit/backend-memory';
import { sessionPlugin } from '@sessionkit/http-fastify';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import Fastify from 'fastify';
const service = createSessionManager().service('shop', { backend: memory(), transports: [cookie()] });
const [showCart, pay] = [async () => 'cart', async () => 'paid'];
const app = Fastify();
app.register(sessionPlugin, { service });`,
    after: `
for (const [method, url] of [['GET', '/cart'], ['GET', '/account'], ['POST', '/pay']])
  assert.equal((await app.inject({ method, url })).statusCode, 401);
const answer = await app.inject({ method: 'POST', url: '/login' });
assert.equal(answer.statusCode, 303);
assert.match(String(answer.headers['set-cookie']), /^sxapi-sess=/);
process.exit();`,
  },
  "app.server.on('upgrade'": {
    before: `
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import Fastify from 'fastify';
import { WebSocket, WebSocketServer } from 'ws';
const service = createSessionManager().service('shop', { backend: memory(), transports: [cookie()] });
const sockets = new WebSocketServer({ noServer: true });
const serve = () => {};
const app = Fastify();`,
    after: `
const socket = new WebSocket((await app.listen({ port: 0 })).replace('http', 'ws'));
await new Promise((open, failed) => socket.once('open', open).once('error', failed));
process.exit();`,
  },
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
};
