import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import type { Pool } from 'mysql2';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { mysql } from '../src/index.js';
import resource from '../src/resource.js';
import { outcome, signal, startPlace, valid } from './store.js';

const place = await startPlace();
const environment = testEnvironment({ start: Date.now() });
const { hostname: host, port, username: user, password } = new URL(place.url);
const LOGIN = { host, port: Number(port), user, password, database: place.database };

function poolOf(server: object, deadline?: number): Pool {
  const section = valid(resource, { _class: 'mysql', server: { ...LOGIN, ...server } });
  const pool = resource.create(section, { environment, deadline }) as Pool;
  place.atEnd(async () => resource.close(pool));
  return pool;
}

it('a connection is in the character set that keeps everything, and gives up waiting for a lock', async () => {
  const pool = poolOf({ lock_timeout: 1 });
  const [[row]] = await pool
    .promise()
    .query<RowDataPacket[]>('select @@character_set_client as letters, @@innodb_lock_wait_timeout as locks');
  expect(row).toEqual({ letters: 'utf8mb4', locks: 1 });
  const backend = mysql(pool, { createTable: true });
  const record = makeRecord(environment);
  await backend.save(record, signal);
  const holder = await place.admin.getConnection();
  await holder.query(`begin; select * from ${place.database}.sessions where sid = '${record.id}' for update`);
  const began = performance.now();
  await expect(backend.save(nextRecord(environment, record), signal)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
    retryable: true,
    message: expect.stringContaining('Lock wait timeout'),
  });
  expect(performance.now() - began).toBeGreaterThan(900);
  await holder.query('rollback');
  holder.release();
  expect(await backend.save(nextRecord(environment, record), signal)).toBe(true);
});

it('the server waits for a lock as long as core waits for the store, where nothing else is said', async () => {
  const timeout = async (server: object, deadline?: number) => {
    const [[row]] = await poolOf(server, deadline)
      .promise()
      .query<RowDataPacket[]>('select @@innodb_lock_wait_timeout as locks, @@lock_wait_timeout as tables');
    return row;
  };
  expect(await timeout({})).toEqual({ locks: 2, tables: 2 });
  expect(await timeout({}, 4_500)).toEqual({ locks: 5, tables: 5 });
  expect(await timeout({ lock_timeout: 1 }, 4_500)).toEqual({ locks: 1, tables: 1 });
});

it('its pool has no more connections than it may, and closing it gives them back', async () => {
  const pool = poolOf({ pool_size: 2 });
  const backend = mysql(pool, { createTable: true });
  await Promise.all(Array.from({ length: 20 }, () => backend.save(makeRecord(environment), signal)));
  const connections = async () =>
    (
      await place.ask('select count(*) as many from information_schema.processlist where db = ?', [
        place.database,
      ])
    )[0]?.many;
  const before = await connections();
  await resource.close(pool);
  await expect.poll(connections).toBe(before - 2);
  await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
});

it('a host that is a path is a Unix socket', async () => {
  const absent = join(mkdtempSync(join(tmpdir(), 'sessionkit-no-')), 'socket');
  await expect(mysql(poolOf({ host: absent })).check()).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
    message: expect.stringContaining(absent),
  });
});

it.each([
  [{ hots: 'x' }, ['server'], 'hots'],
  [{ port: 0 }, ['server', 'port'], '1'],
  [{ lock_timeout: 0.5 }, ['server', 'lock_timeout'], 'int'],
  [{ user: '' }, ['server', 'user'], '1'],
])('refuses %j and says where', (server, path, message) => {
  const { issues = [] } = outcome(resource, { _class: 'mysql', server: { ...LOGIN, ...server } });
  expect(issues).toHaveLength(1);
  expect(issues[0]?.path).toEqual(path);
  expect(issues[0]?.message).toContain(message);
});
