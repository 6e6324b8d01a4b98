import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { browser, type RunningExample, replayed, startExample } from '@sessionkit/test-stores/example';
import { type MariadbServer, startMariadb } from '@sessionkit/test-stores/mariadb';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, it } from 'vitest';

const folder = import.meta.dirname;
let server: MariadbServer;
let one: RunningExample;
let two: RunningExample;

beforeAll(async () => {
  server = await startMariadb();
  const env = { MYSQL_URL: server.url };
  [one, two] = await Promise.all([startExample(folder, env), startExample(folder, env)]);
}, 300_000);
afterAll(async () => {
  expect(await Promise.all([one?.stop(), two?.stop()])).toEqual([0, 0]);
  await server?.stop();
}, 60_000);

it('answers what its README says, from two processes on one MariaDB', async () => {
  const { shown, answered } = await replayed(folder, [one.url, two.url]);
  expect(shown.length).toBeGreaterThan(4);
  expect(answered).toEqual(shown);
});

it('loses no visit when both processes serve one session at once, and shows it in its table', async () => {
  const visit = browser();
  expect((await visit(`${one.url}/login?user=bob`, 'POST')).body).toBe('bob, visit 1\n');
  await Promise.all(Array.from({ length: 20 }, (_, n) => visit(n % 2 === 0 ? one.url : two.url)));
  expect((await visit(two.url)).body).toBe('bob, visit 22\n');
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const [, query = ''] = /```sql\n(.*?)```/s.exec(readme) ?? [];
  const connection = await createConnection(server.url);
  const [rows] = await connection.query<RowDataPacket[]>(query);
  await connection.end();
  expect(rows).toContainEqual(expect.objectContaining({ user: 'bob', ip: '127.0.0.1', visits: '22' }));
});

it('starts while MariaDB is away, answers 503, and serves when it is back', async () => {
  await server.server?.kill();
  const late = await startExample(folder, { MYSQL_URL: server.url });
  const visit = browser();
  expect((await visit(`${late.url}/login?user=cleo`, 'POST')).status).toBe(503);
  await server.server?.start();
  await expect
    .poll(async () => (await visit(`${late.url}/login?user=cleo`, 'POST')).status, { timeout: 10_000 })
    .toBe(200);
  expect(await late.stop()).toBe(0);
}, 60_000);
