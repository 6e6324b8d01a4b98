import { setTimeout as pause } from 'node:timers/promises';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import type pg from 'pg';
import { expect, it } from 'vitest';
import { postgres } from '../src/index.js';
import resource from '../src/resource.js';
import { outcome, signal, startPlace, valid } from './store.js';

const place = await startPlace();
const environment = testEnvironment({ start: Date.now() });
const { hostname: host, port, username: user, pathname } = new URL(place.url);
const LOGIN = { host, port: Number(port), user, database: pathname.slice(1) };

function poolOf(server: object, deadline?: number): pg.Pool {
  const section = valid(resource, { _class: 'postgres', server: { ...LOGIN, ...server } });
  const pool = resource.create(section, { environment, deadline }) as pg.Pool;
  place.atEnd(async () => pool.ended || resource.close(pool));
  return pool;
}

/** Somebody locks the rows for so long, while a session is saved. */
async function savedBehindALock(pool: pg.Pool, ms: number): Promise<boolean> {
  const backend = postgres(pool, { schema: place.schema, createTable: true, writeWithin: 10_000 });
  const record = makeRecord(environment);
  await backend.save(record, signal);
  const holder = await place.admin.connect();
  await holder.query(`begin; select * from ${place.schema}.sessions for update`);
  const saving = backend.save(nextRecord(environment, record), signal);
  saving.catch(() => undefined);
  await pause(ms);
  await holder.query('rollback');
  holder.release();
  return saving.finally(() => backend.close());
}

it('the server gives a statement up when core no longer waits for it, and not before', async () => {
  const timeouts = async (server: object, deadline?: number) => {
    const { rows } = await poolOf(server, deadline).query<{ statement_timeout: string }>(
      'show statement_timeout',
    );
    return rows[0]?.statement_timeout;
  };
  expect(await timeouts({})).toBe('2s');
  expect(await timeouts({}, 4_500)).toBe('4500ms');
  expect(await timeouts({ statement_timeout: 0.75 }, 4_500)).toBe('750ms');
  expect(await timeouts({ statement_timeout: 0 })).toBe('0');
  expect(await savedBehindALock(poolOf({}, 4_500), 2_400)).toBe(true);
  await expect(savedBehindALock(poolOf({ statement_timeout: 0.3 }, 4_500), 600)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
    retryable: true,
    message: expect.stringContaining('statement timeout'),
  });
});

it('its pool has no more connections than it may, and closing it gives them back', async () => {
  const pool = poolOf({ pool_size: 2, application_name: 'two at most' });
  const backend = postgres(pool, { schema: place.schema, createTable: true });
  await Promise.all(Array.from({ length: 20 }, () => backend.save(makeRecord(environment), signal)));
  const connections = async () => {
    const text = `select count(*)::int as many from pg_stat_activity where application_name = 'two at most'`;
    return (await place.admin.query<{ many: number }>(text)).rows[0]?.many;
  };
  expect(await connections()).toBe(2);
  await backend.close();
  await resource.close(pool);
  await expect.poll(connections).toBe(0);
});

it.each([
  [{ hots: 'x' }, ['server'], 'hots'],
  [{ port: 0 }, ['server', 'port'], '1'],
  [{ statement_timeout: -1 }, ['server', 'statement_timeout'], '0'],
  [{ ssl: { ca_file: 'x' } }, ['server', 'ssl'], ''],
  [{ user: '' }, ['server', 'user'], '1'],
])('refuses %j and says where', (server, path, message) => {
  const { issues = [] } = outcome(resource, { _class: 'postgres', server: { ...LOGIN, ...server } });
  expect(issues).toHaveLength(1);
  expect(issues[0]?.path).toEqual(path);
  expect(issues[0]?.message).toContain(message);
});
