// An application on Express with no session, with the real express-session, or with ours; each keeps its sessions in memory. It tells its port, and its CPU time when it is asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { memory } from '@sessionkit/backend-memory';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { expressSession } from '../src/index.js';
import type { App, AppRequest } from './app.js';

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

const require = createRequire(import.meta.url);
const express = require('express5') as () => App;
const HOUR = 3_600_000;

const entries: Readonly<Record<string, () => Handler>> = {
  bare: () => (request, _response, next) => {
    (request as AppRequest).session = { theme: 'dark' } as unknown as AppRequest['session'];
    next();
  },
  theirs: () => {
    const session = require('express-session') as (options: object) => Handler;
    return session({ secret: 'secret', resave: false, saveUninitialized: false, cookie: { maxAge: HOUR } });
  },
  ours: () => {
    const manager = createSessionManager();
    const options = {
      backend: memory(),
      transports: [cookie()],
      autoCreate: 'on_write',
      idleTimeout: HOUR,
    } as const;
    return expressSession(manager.service('cost', options));
  },
};

const app = express();
app.use(entries[process.argv[2] ?? '']?.());
app.get('/begin', ({ session }, response) => {
  session.user = { name: 'ann', roles: ['reader', 'writer'] };
  session.cart = Array.from({ length: 12 }, (_, i) => ({
    sku: `sku-${i}`,
    count: i,
    price: 9.95,
    note: 'gift',
  }));
  session.theme = 'dark';
  session.visits = 1;
  response.send('begun');
});
app.get('/', ({ session }, response) => response.send(String(session.theme)));
app.get('/write', ({ session }, response) => {
  session.visits = Number(session.visits) + 1;
  response.send(String(session.theme));
});

const server = createServer(app);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
