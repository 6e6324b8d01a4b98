import { rm } from 'node:fs/promises';
import { type MariadbServer, startMariadb } from '@sessionkit/test-stores/mariadb';
import { type Certificate, certificateFor } from '@sessionkit/test-stores/tls';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import type { Pool } from 'mysql2';
import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mysql } from '../src/index.js';
import resource from '../src/resource.js';
import { outcome, signal, valid } from './store.js';

const environment = testEnvironment({ start: Date.now() });
let certificate: Certificate;
let server: MariadbServer;

beforeAll(async () => {
  certificate = await certificateFor('mysql');
  const { cert, key } = certificate;
  server = await startMariadb({ args: [`--ssl-cert=${cert}`, `--ssl-key=${key}`] });
}, 120_000);
afterAll(async () => {
  await server.stop();
  await rm(certificate.folder, { recursive: true });
});

const sectionOf = (given: object) => {
  const { port, username: user, pathname } = new URL(server.url);
  const login = { port: Number(port), user, database: pathname.slice(1) };
  return { _class: 'mysql', server: { ...login, ...given } };
};

async function withPool(given: object, work: (pool: Pool) => Promise<void>): Promise<void> {
  const pool = resource.create(valid(resource, sectionOf(given)), { environment }) as Pool;
  try {
    await work(pool);
  } finally {
    await resource.close(pool);
  }
}

it('sessions go over TLS to a server whose certificate is known', async () => {
  await withPool({ host: 'localhost', ssl: { ca: certificate.ca } }, async (pool) => {
    const backend = mysql(pool, { createTable: true });
    const record = makeRecord(environment);
    expect(await backend.save(record, signal)).toBe(true);
    expect(await backend.load([record.id], signal)).toEqual([record]);
    const [[row]] = await pool.promise().query<RowDataPacket[]>(`show session status like 'Ssl_version'`);
    expect(row?.Value).toMatch(/^TLSv1\.[23]$/);
    await backend.close();
  });
});

it.each([
  ['whose certificate nobody knows', () => ({ host: 'localhost', ssl: true }), /self-signed/],
  [
    'whose certificate is for another name',
    () => ({ host: '127.1', ssl: { ca: certificate.ca } }),
    /altnames/,
  ],
])('a server %s is not reachable', async (_, given, message) => {
  await withPool(given(), async (pool) => {
    const backend = mysql(pool);
    await expect(backend.load([makeRecord(environment).id], signal)).rejects.toMatchObject({
      code: 'BACKEND_DOWN',
      message: expect.stringMatching(message),
    });
    await backend.close();
  });
});

it('a host by its address is refused: its certificate could not be looked at for it', () => {
  for (const host of ['127.0.0.1', '::1']) {
    const { issues = [] } = outcome(resource, sectionOf({ host, ssl: true }));
    expect(issues).toMatchObject([
      { path: ['server', 'host'], message: expect.stringContaining('by its name') },
    ]);
  }
});
