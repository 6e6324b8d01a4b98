// A process of the new application: Redis, and what connect-redis has left there. Its arguments: URL of the server, prefix of the new sessions, the old secret.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { redis } from '@sessionkit/backend-redis';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { Redis } from 'ioredis';
import { connectRedis, expressSession } from '../src/index.js';
import type { AppRequest } from './app.js';

const [url = '', prefix = '', secret = ''] = process.argv.slice(2);
const client = new Redis(url, {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  lazyConnect: true,
});
await client.connect();
const service = createSessionManager().service('app', {
  backend: redis(client, { prefix }),
  transports: [cookie({ name: 'sid' })],
  autoCreate: 'on_write',
  onDead: 'renew',
  legacy: connectRedis(client, { secret }),
});
const session = expressSession(service);
const server = createServer((request, response) =>
  session(request, response, () => response.end(JSON.stringify((request as AppRequest).session))),
);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
