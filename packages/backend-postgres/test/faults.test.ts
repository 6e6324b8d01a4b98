import { SessionError as Fault, type SessionError } from '@sessionkit/session-core';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { describe, expect, it, vi } from 'vitest';
import { faultOf } from '../src/faults.js';
import { signal, startPlace } from './store.js';

const place = await startPlace();
const { schema, admin } = place;
const environment = testEnvironment({ random: 5 });
const down = { code: 'BACKEND_DOWN', retryable: true };
const after = (ms: number) => AbortSignal.timeout(ms);

describe('a call that is given up', () => {
  it('while it waits for a lock changes nothing later, and its connection is replaced', async () => {
    const pool = place.pool({ max: 1 });
    const backend = place.backend({ pool, writeWithin: 300 });
    const [saved, touched, ended] = [1, 2, 3].map(() => makeRecord(environment)) as [
      ReturnType<typeof makeRecord>,
      ReturnType<typeof makeRecord>,
      ReturnType<typeof makeRecord>,
    ];
    for (const record of [saved, touched, ended]) await backend.save(record, signal);
    const holder = await admin.connect();
    await holder.query(`begin; select * from ${schema}.sessions for update`);
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
    // Their statements go on in the server until the lock is free, which is after their time.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await holder.query('rollback');
    holder.release();
    await vi.waitFor(async () => {
      const { rows } = await admin.query(
        `select count(*) from pg_stat_activity where state = 'active' and wait_event_type = 'Lock'`,
      );
      expect(Number(rows[0]?.count)).toBe(0);
    });
    const found = await backend.load([saved.id, touched.id, ended.id], signal);
    expect(found).toEqual([saved, touched, ended]);
    expect(await backend.save(next, signal)).toBe(true);
  });

  it('or was only late is told so: nothing was done, and the next one is', async () => {
    const backend = place.backend({ writeWithin: 100 });
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const holder = await admin.connect();
    await holder.query(`begin; select * from ${schema}.sessions for update`);
    const next = nextRecord(environment, record, { data: '{"late":1}' });
    const { id, epoch, seenAt } = record;
    const how = { at: 1, cause: 'logout', by: undefined, keepUntil: 2 } as const;
    const writing = Promise.allSettled([
      backend.save(next, signal),
      backend.touch([{ id, epoch, seenAt: seenAt + 9 }], signal),
      backend.end([id], how, signal),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await holder.query('rollback');
    holder.release();
    for (const answer of await writing)
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { ...down, message: expect.stringContaining('too late') },
      });
    expect(await backend.load([id], signal)).toEqual([record]);
    expect(await backend.save(next, signal)).toBe(true);
  });

  it('while it waits for a connection is never sent', async () => {
    const pool = place.pool({ max: 1 });
    const backend = place.backend({ pool });
    await backend.check();
    const record = makeRecord(environment);
    const held = await pool.connect();
    await expect(backend.save(record, after(100))).rejects.toMatchObject(down);
    held.release();
    expect(await backend.load([record.id], signal)).toEqual([undefined]);
    expect(pool.totalCount).toBe(1);
  });
});

describe('a server that fails', () => {
  it('cuts connections: BACKEND_DOWN, and the next call finds a new one', async () => {
    const pool = place.pool({ application_name: 'cut_me' });
    const backend = place.backend({ pool });
    await backend.check();
    const holder = await admin.connect();
    const record = makeRecord(environment);
    await backend.save(record, signal);
    await holder.query(`begin; select * from ${schema}.sessions for update`);
    const saving = backend.save(nextRecord(environment, record), signal).catch((error: unknown) => error);
    await vi.waitFor(async () => {
      const { rows } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut_me' and wait_event_type = 'Lock'`,
      );
      expect(rows).toHaveLength(1);
    });
    expect(await saving).toMatchObject(down);
    await holder.query('rollback');
    holder.release();
    expect(await backend.load([record.id], signal)).toEqual([record]);
  });
});

describe('a value that PostgreSQL cannot keep', () => {
  const backend = place.backend();

  it.each([
    ['NUL in the user', { user: 'a\0b' }],
    ['half of a surrogate pair in the user', { user: 'a\ud83d' }],
    ['NUL in the service', { service: '\0' }],
    ['data that is no JSON', { data: '{"secretdata":' }],
    ['a number that is none', { idle: Number.NaN }],
  ])('is refused, and its row is not quoted: %s', async (_, members) => {
    const record = makeRecord(environment, members);
    const fault = await backend.save(record, signal).catch((error: SessionError) => error);
    expect(fault).toMatchObject({ code: 'INVALID_VALUE', retryable: false });
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
    expect((await backend.list({ limit: 5, user: 'a\0' }, signal)).items).toEqual([]);
    expect(await backend.count({ service: '\ud800' }, signal)).toBe(0);
    expect(await backend.read([bad], signal)).toEqual([[]]);
  });

  it('data nested so deeply that its parser gives up is too large, and what it takes comes back', async () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const kept = makeRecord(environment, { data: nested(1_000) });
    await backend.save(kept, signal);
    expect(await backend.load([kept.id], signal)).toEqual([kept]);
    const deep = makeRecord(environment, { data: nested(1_000_000) });
    await expect(backend.save(deep, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  });

  it('in a journal is kept: entries are JSON', async () => {
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const entry = { id: record.id, at: 1, kind: 'log', text: 'NUL \0 and half \ud83d' } as const;
    await backend.append({ batchId: 'nul', entries: [entry] }, signal);
    expect(await backend.read([record.id], signal)).toEqual([[entry]]);
  });
});

it.each([
  ['57P01', 'BACKEND_DOWN', true],
  ['57014', 'BACKEND_DOWN', true],
  ['53300', 'BACKEND_DOWN', true],
  ['25006', 'BACKEND_DOWN', true],
  ['08006', 'BACKEND_DOWN', true],
  ['53100', 'BACKEND_FULL', true],
  ['40P01', 'BACKEND_FAILED', true],
  ['42501', 'BACKEND_FAILED', false],
  ['28P01', 'BACKEND_FAILED', false],
  ['54000', 'RECORD_TOO_LARGE', false],
  ['22P05', 'INVALID_VALUE', false],
])('SQLSTATE %s is %s, retryable: %s', (state, code, retryable) => {
  const error = Object.assign(new Error('said'), { code: state, severity: 'ERROR', detail: 'the row' });
  const fault = faultOf(error);
  expect(fault).toMatchObject({ code, retryable, cause: { message: 'said', code: state } });
  expect(fault.cause).not.toHaveProperty('detail');
});

it('what is no answer of a server is an outage, and a mistake of ours is none', () => {
  expect(faultOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toMatchObject(down);
  expect(faultOf(new AggregateError([new Error('a'), new Error('b')])).message).toContain('a; b');
  expect(faultOf(new TypeError('oops'))).toMatchObject({ code: 'BACKEND_FAILED', retryable: false });
  const own = new Fault('BACKEND_CLOSED', 'closed');
  expect(faultOf(own)).toBe(own);
});
