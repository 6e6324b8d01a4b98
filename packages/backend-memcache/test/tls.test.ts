import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import type { MemcacheClient } from 'memcache-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { memcache } from '../src/index.js';
import resource from '../src/resource.js';
import { signal, valid } from './harness.js';

const environment = testEnvironment({ start: Date.now() });
let folder: string;
let server: MemcachedServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sessionkit-memcached-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await promisify(execFile)('openssl', ['req', '-x509', ...made, ...name]);
  // The server gives up being root before it reads them.
  for (const path of [folder, key, cert]) chmodSync(path, 0o755);
  server = await startMemcached({ tls: { key, cert } });
}, 120_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const made = (section: object) =>
  resource.create(valid(resource, { _class: 'memcache', port: server.port, ...section }), { environment });

it('sessions and lists of them go over TLS, to a server whose certificate is known', async () => {
  const ca = readFileSync(join(folder, 'cert.pem'), 'utf8');
  const clients = await made({ host: 'localhost', tls: { ca } });
  const backend = memcache(clients as MemcacheClient[]);
  const record = makeRecord(environment);
  expect(await backend.save(record, signal)).toBe(true);
  expect(await backend.load([record.id], signal)).toEqual([record]);
  expect(await backend.count({}, signal)).toBe(1);
  await backend.close();
  await resource.close(clients);
});

it.each([
  ['whose certificate nobody knows', { host: 'localhost', tls: true }],
  ['that is spoken to without TLS', { host: 'localhost' }],
])('a server %s is not reachable', async (_, section) => {
  const clients = await made(section);
  const backend = memcache(clients as MemcacheClient[]);
  const asked = [
    (soon: AbortSignal) => backend.load([makeRecord(environment).id], soon),
    (soon: AbortSignal) => backend.count({}, soon),
  ];
  for (const ask of asked)
    await expect(ask(AbortSignal.timeout(500))).rejects.toMatchObject({ retryable: true });
  await backend.close();
  await resource.close(clients);
});
