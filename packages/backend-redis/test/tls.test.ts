import { rm } from 'node:fs/promises';
import type { Change } from '@sessionkit/session-core';
import { type RedisServer, startRedis } from '@sessionkit/test-stores/redis';
import { type Certificate, certificateFor } from '@sessionkit/test-stores/tls';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { redis } from '../src/index.js';
import { ioredisOptions, signal } from './harness.js';
import { connectBy } from './store-harness.js';

const environment = testEnvironment({ start: Date.now() });
let certificate: Certificate;
let server: RedisServer;
let port: number;

beforeAll(async () => {
  certificate = await certificateFor('root');
  server = await startRedis({ args: [] });
  // Where a Cluster would have its bus.
  port = Number(new URL(server.url).port) + 10_000;
  const { cert, key } = certificate;
  const files = ['tls-cert-file', cert, 'tls-key-file', key, 'tls-ca-cert-file', cert];
  const set = ['CONFIG', 'SET', ...files, 'tls-auth-clients', 'no', 'tls-port', `${port}`];
  expect(await server.ask(...set)).toBe('+OK\r\n');
}, 120_000);
afterAll(async () => {
  await server.stop();
  await rm(certificate.folder, { recursive: true });
});

it('sessions and notices go over TLS to a server whose certificate is known', async () => {
  const { ca } = certificate;
  const client = new Redis({ ...ioredisOptions, host: 'localhost', port, tls: { ca } });
  await client.connect();
  const backend = redis(client, { log: environment.log });
  const heard: Change[] = [];
  const stop = await backend.watch((change) => heard.push(change));
  const record = makeRecord(environment);
  expect(await backend.save(record, signal)).toBe(true);
  expect(await backend.load([record.id], signal)).toEqual([record]);
  const at = environment.now();
  await backend.end([record.id], { at, cause: 'logout', by: undefined, keepUntil: at }, signal);
  await expect.poll(() => heard.map(({ what }) => what)).toContain('ended');
  await stop();
  await backend.close();
  client.disconnect();
});

it.each([
  ['whose certificate nobody knows', () => `rediss://localhost:${port}`],
  ['that is spoken to without TLS', () => `redis://localhost:${port}`],
])('a server %s is not reachable, and the session stays unsent', async (_, url) => {
  const backend = await connectBy({ url: url() }, { environment });
  const record = makeRecord(environment);
  await expect(backend.save(record, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  expect(await server.ask('EXISTS', `sessionkit:{${record.id}}`)).toBe(':0\r\n');
  await backend.close();
});
