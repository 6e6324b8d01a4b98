import { SessionError as Fault, type SessionError, type SessionRecord } from '@sessionkit/session-core';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import type { PoolConnection } from 'mysql2/promise';
import { describe, expect, it, vi } from 'vitest';
import { faultOf } from '../src/faults.js';
import { signal, startPlace } from './store.js';

const place = await startPlace();
const { admin, ask } = place;
const environment = testEnvironment({ start: Date.now(), random: 5 });
const down = { code: 'BACKEND_DOWN', retryable: true };
const after = (ms: number) => AbortSignal.timeout(ms);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Locks some rows, until it is released. */
async function holding(...records: readonly SessionRecord[]): Promise<PoolConnection> {
  const holder = await admin.getConnection();
  await holder.query('begin');
  const ids = records.map(({ id }) => id);
  await holder.query(`select * from ${place.database}.sessions where sid in (?) for update`, [ids]);
  return holder;
}

async function letGo(holder: PoolConnection): Promise<void> {
  await holder.query('rollback');
  holder.release();
}

const waiting = async () =>
  (await ask(`select count(*) as many from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`))[0]
    ?.many;

/** The server looks anew only when nobody has looked for a tenth of a second. */
const until = (many: number) =>
  vi.waitFor(async () => expect(await waiting()).toBe(many), { timeout: 10_000, interval: 250 });

describe('a call that is given up', () => {
  it('while it waits for a lock changes nothing later, and its connection is replaced', async () => {
    const pool = place.pool({ connectionLimit: 1 });
    const backend = place.backend({ pool, writeWithin: 1_000 });
    const [saved, touched, ended] = [
      makeRecord(environment),
      makeRecord(environment),
      makeRecord(environment),
    ];
    for (const record of [saved, touched, ended]) await backend.save(record, signal);
    const holder = await holding(saved, touched, ended);
    const how = {
      at: environment.now(),
      cause: 'logout',
      by: undefined,
      keepUntil: environment.now(),
    } as const;
    const { id, epoch, seenAt } = touched;
    const next = nextRecord(environment, saved, { data: '{"late":1}' });
    await expect(backend.save(next, after(100))).rejects.toMatchObject(down);
    await expect(backend.touch([{ id, epoch, seenAt: seenAt + 9 }], after(100))).rejects.toMatchObject(down);
    await expect(backend.end([ended.id], how, after(100))).rejects.toMatchObject(down);
    await until(3);
    // Their statements go on in the server until the lock is free, which is after their time.
    await pause(1_000);
    await letGo(holder);
    await until(0);
    const found = await backend.load([saved.id, touched.id, ended.id], signal);
    expect(found).toEqual([saved, touched, ended]);
    expect(await backend.save(next, signal)).toBe(true);
  });

  it('or was only late is told so: nothing was done, not even to the rows that were free, and the next one is', async () => {
    const backend = place.backend({ writeWithin: 150 });
    const [free, locked] = [makeRecord(environment), makeRecord(environment)].sort((a, b) =>
      a.id < b.id ? -1 : 1,
    ) as [SessionRecord, SessionRecord];
    const [other, own] = [makeRecord(environment), makeRecord(environment)];
    for (const record of [free, locked, other, own]) await backend.save(record, signal);
    const holder = await holding(locked, own);
    const next = nextRecord(environment, own, { data: '{"late":1}' });
    const how = { at: 1, cause: 'logout', by: undefined, keepUntil: 2 } as const;
    const touches = [free, locked].map(({ id, epoch, seenAt }) => ({ id, epoch, seenAt: seenAt + 9 }));
    const writing = Promise.allSettled([
      backend.save(next, signal),
      backend.touch(touches, signal),
      backend.end([other.id, locked.id], how, signal),
    ]);
    await pause(300);
    await letGo(holder);
    for (const answer of await writing)
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { ...down, message: expect.stringContaining('too late') },
      });
    const all = [free, locked, other, own];
    expect(
      await backend.load(
        all.map(({ id }) => id),
        signal,
      ),
    ).toEqual(all);
    expect(await backend.save(next, signal)).toBe(true);
  });

  it('while it waits for a connection is never sent', async () => {
    const pool = place.pool({ connectionLimit: 1 });
    const backend = place.backend({ pool });
    await backend.check();
    const record = makeRecord(environment);
    const held = await pool.getConnection();
    await expect(backend.save(record, after(100))).rejects.toMatchObject(down);
    held.release();
    expect(await backend.load([record.id], signal)).toEqual([undefined]);
  });
});

describe('locks', () => {
  it('of opposite chunks of touches and ends never bite each other', async () => {
    const backend = place.backend();
    const records = Array.from({ length: 60 }, () => makeRecord(environment));
    await Promise.all(records.map((record) => backend.save(record, signal)));
    const before = await ask(`show global status like 'Innodb_deadlocks'`);
    const chunk = (at: number) => records.slice(at % 30, (at % 30) + 30);
    const rounds = Array.from({ length: 40 }, (_, n) => {
      const touches = chunk(n * 7).map(({ id, epoch }) => ({ id, epoch, seenAt: environment.now() + n }));
      if (n % 2 === 1) touches.reverse();
      return backend.touch(touches, signal);
    });
    for (const dead of await Promise.all(rounds)) expect(dead).toEqual([]);
    expect(await ask(`show global status like 'Innodb_deadlocks'`)).toEqual(before);
  });

  it('that bite each other are undone by the server, and the statement is done again', async () => {
    const backend = place.backend();
    const [one, two] = [makeRecord(environment), makeRecord(environment)].sort((a, b) =>
      a.id < b.id ? -1 : 1,
    ) as [SessionRecord, SessionRecord];
    for (const record of [one, two]) await backend.save(record, signal);
    // Somebody else locks them the other way round, and has written more, so that the server undoes the touch.
    const other = await holding(two);
    await other.query('create temporary table heavy (n int) engine = InnoDB');
    await other.query('insert into heavy select seq from seq_1_to_5000');
    const touches = [one, two].map(({ id, epoch, seenAt }) => ({ id, epoch, seenAt: seenAt + 7 }));
    const touching = backend.touch(touches, signal);
    await until(1);
    const undone = async () => Number((await ask(`show global status like 'Innodb_deadlocks'`))[0]?.Value);
    const before = await undone();
    await other.query(`select * from ${place.database}.sessions where sid = ? for update`, [one.id]);
    expect(await undone()).toBe(before + 1);
    await letGo(other);
    expect(await touching).toEqual([]);
    expect(await backend.load([one.id], signal)).toMatchObject([{ seenAt: one.seenAt + 7 }]);
  });

  it('of a request keep no sweep waiting, and a sweep takes what is free', async () => {
    const backend = place.backend({ table: 'swept' });
    const old = () => makeRecord(environment, { startedAt: environment.now() - 60_000, idle: 1_000 });
    const [free, locked] = [old(), old()];
    for (const record of [free, locked]) await backend.save(record, signal);
    const holder = await admin.getConnection();
    await holder.query(`begin; select * from ${place.database}.swept where sid = '${locked.id}' for update`);
    expect(await backend.sweep(environment.now(), 10, after(1_000))).toEqual([free.id]);
    await letGo(holder);
    expect(await backend.sweep(environment.now(), 10, signal)).toEqual([locked.id]);
  });
});

describe('a server that fails', () => {
  it('kills connections: BACKEND_DOWN, and the next call finds a new one', async () => {
    const pool = place.pool();
    const backend = place.backend({ pool });
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const holder = await holding(record);
    const saving = backend.save(nextRecord(environment, record), signal).catch((error: unknown) => error);
    await until(1);
    const [row] = await ask(
      `select trx_mysql_thread_id as id from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`,
    );
    await admin.query(`kill ${row?.id}`);
    expect(await saving).toMatchObject(down);
    await letGo(holder);
    expect(await backend.load([record.id], signal)).toEqual([record]);
  });

  it('is read-only: BACKEND_DOWN, with nothing done', async () => {
    const user = 'reader';
    await admin.query(
      `create user ${user}@'127.0.0.1'; grant select, insert, update, delete on ${place.database}.* to ${user}@'127.0.0.1'`,
    );
    const backend = place.backend({ pool: place.pool({ user }) });
    await backend.check();
    await admin.query('set global read_only = 1');
    try {
      await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject(down);
    } finally {
      await admin.query(`set global read_only = 0; drop user ${user}@'127.0.0.1'`);
    }
  });
});

it('the clock is that of the server, whatever the time zones of server and connection', async () => {
  const record = makeRecord(environment, { startedAt: environment.now() });
  for (const zone of ['+00:00', '-11:30', '+13:00']) {
    const pool = place.pool({ connectionLimit: 1 });
    await pool.query(`set time_zone = '${zone}'`);
    const backend = place.backend({ pool, table: 'zones' });
    const before = Date.now();
    const now = await backend.now(signal);
    expect(now).toBeGreaterThanOrEqual(before - 1);
    expect(now).toBeLessThanOrEqual(Date.now() + 1);
    if (zone === '+00:00') expect(await backend.save(record, signal)).toBe(true);
    expect(await backend.load([record.id], signal)).toEqual([record]);
    const { items } = await backend.list({ limit: 5, startedBefore: record.startedAt + 1 }, signal);
    expect(items).toHaveLength(1);
    expect(await backend.count({ startedBefore: record.startedAt }, signal)).toBe(0);
  }
});

describe('a value that MySQL cannot keep', () => {
  const backend = place.backend();

  it.each([
    ['half of a surrogate pair in the user', { user: 'a\ud83d' }, 'INVALID_VALUE'],
    ['half of a surrogate pair in the service', { service: '\ud800' }, 'INVALID_VALUE'],
    ['half of a surrogate pair in the data', { data: '{"secretdata":"\ud800"}' }, 'INVALID_VALUE'],
    ['a number that is none', { idle: Number.NaN }, 'INVALID_VALUE'],
    ['a number that is not whole', { endsAt: 1.5 }, 'INVALID_VALUE'],
    ['a start in a year of five digits', { startedAt: Date.UTC(10_000, 1, 1) }, 'INVALID_VALUE'],
    ['a user of 256 bytes', { user: 'é'.repeat(128) }, 'RECORD_TOO_LARGE'],
  ])('is refused, and its row is not quoted: %s', async (_, members, code) => {
    const record = { ...makeRecord(environment), ...members };
    const fault = await backend.save(record, signal).catch((error: SessionError) => error);
    expect(fault).toMatchObject({ code, retryable: false });
    const { cause } = fault as SessionError;
    expect(JSON.stringify([String(fault), cause, String(cause), Object.entries(cause ?? {})])).not.toContain(
      'secretdata',
    );
    expect(await backend.load([record.id], signal)).toEqual([undefined]);
  });

  it('as a condition finds nothing, and does not fail the others of a batch', async () => {
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const bad = `${record.id}\0` as typeof record.id;
    expect(await backend.load([bad, record.id], signal)).toEqual([undefined, record]);
    expect(await backend.touch([{ id: bad, epoch: 0, seenAt: 1 }], signal)).toEqual([bad]);
    expect((await backend.list({ limit: 5, user: 'a\ud800' }, signal)).items).toEqual([]);
    expect(await backend.count({ service: 'x'.repeat(300) }, signal)).toBe(0);
    expect(await backend.read([bad], signal)).toEqual([[]]);
  });

  it('in a journal is kept: entries are JSON', async () => {
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const entry = {
      id: record.id,
      at: 1,
      kind: 'log',
      text: 'NUL \0 "quoted" \\ 😀 and half \ud83d',
    } as const;
    await backend.append({ batchId: 'nul', entries: [entry] }, signal);
    expect(await backend.read([record.id], signal)).toEqual([[entry]]);
  });

  it('for its size is RECORD_TOO_LARGE, and what the server takes comes back whole', async () => {
    await backend.check();
    const most = backend.traits.maxRecordBytes ?? expect.fail();
    const [row] = await ask('select @@max_allowed_packet as packet');
    expect(most).toBeLessThan(row?.packet);
    expect(most).toBeGreaterThan(row?.packet - 100_000);
    const sized = (bytes: number) => makeRecord(environment, { data: `{"a":"${'x'.repeat(bytes)}"}` });
    const fits = sized(most - 2_000);
    expect(await backend.save(fits, signal)).toBe(true);
    expect(await backend.load([fits.id], signal)).toEqual([fits]);
    const large = sized(most);
    await expect(backend.save(large, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    expect(await backend.load([large.id], signal)).toEqual([undefined]);
  });
});

it.each([
  [1040, 'BACKEND_DOWN', true],
  [1053, 'BACKEND_DOWN', true],
  [1205, 'BACKEND_DOWN', true],
  [1290, 'BACKEND_DOWN', true],
  [1317, 'BACKEND_DOWN', true],
  [1927, 'BACKEND_DOWN', true],
  [1969, 'BACKEND_DOWN', true],
  [1114, 'BACKEND_FULL', true],
  [1213, 'BACKEND_FAILED', true],
  [1045, 'BACKEND_FAILED', false],
  [1142, 'BACKEND_FAILED', false],
  [1153, 'RECORD_TOO_LARGE', false],
  [1406, 'RECORD_TOO_LARGE', false],
  [1366, 'INVALID_VALUE', false],
])('error %d is %s, retryable: %s', (errno, code, retryable) => {
  const error = Object.assign(new Error('said'), { errno, sqlState: 'HY000', sql: 'the row' });
  const fault = faultOf(error);
  expect(fault).toMatchObject({ code, retryable, cause: { errno } });
  expect(fault.cause).not.toHaveProperty('sql');
});

it('a message that may quote the row is not passed on', () => {
  const said = `Incorrect string value: 'secretdata' for column`;
  const fault = faultOf(Object.assign(new Error(said), { errno: 1366, sqlState: '22007' }));
  expect([fault.message, String(fault.cause)].join()).not.toContain('secretdata');
});

it('what is no answer of a server is an outage, and a mistake of ours is none', () => {
  expect(faultOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED', errno: -111 }))).toMatchObject(
    down,
  );
  expect(faultOf(new AggregateError([new Error('a'), new Error('b')])).message).toContain('a; b');
  expect(faultOf(new TypeError('oops'))).toMatchObject({ code: 'BACKEND_FAILED', retryable: false });
  const own = new Fault('BACKEND_CLOSED', 'closed');
  expect(faultOf(own)).toBe(own);
});
