import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { signal, startPlace } from './store.js';

const place = await startPlace();
const text = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');

it('the README names the version that it was proved on', async () => {
  const [row] = await place.ask('select version() as version');
  const [, tested = ''] = /Proved on MariaDB (\d+\.\d+)/.exec(text) ?? [];
  // A server that the environment names may be another one.
  if (process.env.MYSQL_URL === undefined) expect(row?.version).toMatch(/^\d+\.\d+.*MariaDB/);
  expect(text).toContain(`Tested with MariaDB ${tested}.`);
  expect(text).toContain('**MySQL has not been tried**');
});

it('a user with the privileges that the README lists can do everything', async () => {
  const [, privileges = ''] = /\*\*Privileges\*\*: `([^`]*)`/.exec(text) ?? [];
  const user = place.database.slice(-20);
  await place.backend({ table: 'least' }).check();
  const grants = ['least', 'least_journal', 'least_claims', 'least_presence'].map(
    (table) => `grant ${privileges} on ${place.database}.${table} to '${user}'@'%'`,
  );
  await place.admin.query(`create user '${user}'@'%'; ${grants.join('; ')}`);
  place.atEnd(() => place.admin.query(`drop user '${user}'@'%'`));
  const backend = place.backend({
    table: 'least',
    createTable: false,
    pool: place.pool({ user, password: '' }),
  });
  const environment = testEnvironment({ start: Date.now() });
  const record = makeRecord(environment, { user: 'ann' });
  const { id } = record;
  const now = environment.now();
  expect(await backend.save(record, signal)).toBe(true);
  expect(await backend.save(nextRecord(environment, record, { user: 'bob' }), signal)).toBe(true);
  expect(await backend.touch([{ id, epoch: 0, seenAt: now + 5 }], signal)).toEqual([]);
  await backend.append({ batchId: 'b', entries: [{ id, at: now, kind: 'log', text: 'x' }] }, signal);
  expect((await backend.read([id], signal))[0]).toHaveLength(1);
  await backend.announce('one', [{ id, process: 'one', since: now, detail: {} }], 60_000, signal);
  expect(await backend.present([id], signal)).toHaveLength(1);
  const claim = { service: 'shop', user: 'bob', id, at: now, max: 1, full: 'oldest' } as const;
  expect(await backend.claim(claim, signal)).toEqual([]);
  expect((await backend.list({ limit: 5, user: 'bob' }, signal)).items).toHaveLength(1);
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now } as const;
  expect(await backend.end([id], how, signal)).toEqual([id]);
  expect(await backend.sweep(now + 1, 5, signal)).toEqual([id]);
});
