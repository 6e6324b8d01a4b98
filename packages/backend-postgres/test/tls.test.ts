import { rm } from 'node:fs/promises';
import { type PostgresServer, startPostgres } from '@sessionkit/test-stores/postgres';
import { type Certificate, certificateFor } from '@sessionkit/test-stores/tls';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgres } from '../src/index.js';
import resource from '../src/resource.js';
import { signal, valid } from './store.js';

const environment = testEnvironment({ start: Date.now() });
let certificate: Certificate;
let server: PostgresServer;

beforeAll(async () => {
  certificate = await certificateFor('postgres');
  const { cert, key } = certificate;
  server = await startPostgres({ settings: { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key } });
}, 120_000);
afterAll(async () => {
  await server.stop();
  await rm(certificate.folder, { recursive: true });
});

async function withPool(section: object, work: (pool: pg.Pool) => Promise<void>): Promise<void> {
  const { port, username: user, pathname } = new URL(server.url);
  const login = { port: Number(port), user, database: pathname.slice(1) };
  const config = valid(resource, { _class: 'postgres', server: { ...login, ...section } });
  const pool = resource.create(config, { environment }) as pg.Pool;
  try {
    await work(pool);
  } finally {
    await resource.close(pool);
  }
}

it.each([
  ['by its name', 'localhost', undefined],
  ['by an address, and named beside it', '127.0.0.1', 'localhost'],
])('sessions go over TLS to a server whose certificate is known: %s', async (_, host, server_name) => {
  const { ca } = certificate;
  const ssl = { ca, ...(server_name === undefined ? {} : { server_name }) };
  await withPool({ host, ssl }, async (pool) => {
    const backend = postgres(pool, { createTable: true });
    const record = makeRecord(environment);
    expect(await backend.save(record, signal)).toBe(true);
    expect(await backend.load([record.id], signal)).toEqual([record]);
    const { rows } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: true }]);
    await backend.close();
  });
});

it.each([
  ['whose certificate nobody knows', () => ({ host: 'localhost', ssl: true }), /self-signed/],
  ['whose certificate is for another name', () => ({ host: '127.0.0.1', ssl: { ca: certificate.ca } }), /IP/],
])('a server %s is not reachable', async (_, section, message) => {
  await withPool(section(), async (pool) => {
    const backend = postgres(pool);
    await expect(backend.load([makeRecord(environment).id], signal)).rejects.toMatchObject({
      code: 'BACKEND_DOWN',
      message: expect.stringMatching(message),
    });
    await backend.close();
  });
});
