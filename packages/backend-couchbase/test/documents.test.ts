import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { STATUS, startRelayedCouchbase } from '@sessionkit/test-stores/couchbase';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { afterAll, afterEach, expect, it } from 'vitest';
import { couchbase } from '../src/index.js';
import { digest } from '../src/options.js';
import { connectTo, newPrefix, signal } from './store.js';

// What is refused or lost is so on its way.
const server = await startRelayedCouchbase();
const [cluster, aside] = await Promise.all([connectTo(server), connectTo({ ...server, url: server.direct })]);
const documents = cluster.bucket(server.bucket).defaultCollection();
const prefix = newPrefix();
const backend = couchbase(documents, { prefix, deadline: 1_000 });
const environment = testEnvironment({ start: Date.now() });
const now = environment.now();
const DAY = 86_400_000;
const LATE = 300;

afterEach(() => server.heal());
afterAll(async () => {
  await Promise.all([cluster.close(), aside.close()]);
  await server.stop();
});

async function stored(members: Partial<SessionRecord> = {}): Promise<SessionRecord> {
  const record = makeRecord(environment, members);
  expect(await backend.save(record, signal)).toBe(true);
  return record;
}

async function loaded({ id }: Pick<SessionRecord, 'id'>): Promise<SessionRecord | undefined> {
  const [found] = await backend.load([id], signal);
  if (found instanceof SessionError) throw found;
  return found;
}

/** A document as the server has it, asked past the relay and the backend. */
async function shown(key: string) {
  const { content, cas, expiryTime } = await aside
    .bucket(server.bucket)
    .defaultCollection()
    .get(key, { withExpiry: true });
  return { content, cas: `${cas}`, expiry: expiryTime ?? 0 };
}

/** In how many seconds from now the server forgets a document. */
async function forgottenIn(key: string): Promise<number> {
  return (await shown(key)).expiry - Math.floor(Date.now() / 1_000);
}

const near = (seconds: number) => [seconds - 5, seconds + 5] as const;

async function expectForgotten(key: string, seconds: number): Promise<void> {
  const [least, most] = near(seconds + LATE);
  const found = await forgottenIn(key);
  expect(found).toBeGreaterThanOrEqual(least);
  expect(found).toBeLessThanOrEqual(most);
}

it('the server forgets a session five minutes after it can be of use, be that more than 30 days away', async () => {
  const short = await stored({ idle: 60_000, endsAt: now + DAY });
  await expectForgotten(`${prefix}${short.id}`, 120);
  await expectForgotten(`${prefix}seen:${short.id}`, 86_400);
  const ending = await stored({ idle: DAY, endsAt: now + 60_000 });
  await expectForgotten(`${prefix}${ending.id}`, 60);
  const long = await stored({ idle: 100 * DAY, endsAt: now + 100 * DAY });
  await expectForgotten(`${prefix}${long.id}`, 100 * 86_400);
  const ever = await stored({ idle: 1e15, endsAt: 8e15 });
  expect(await forgottenIn(`${prefix}${ever.id}`)).toBeGreaterThan(9 * 365 * 86_400);
  const past = await stored({ startedAt: now - 9 * DAY, seenAt: now - 9 * DAY, endsAt: now - 8 * DAY });
  await expectForgotten(`${prefix}${past.id}`, 0);
});

it('a use moves that end when half of its time is over, and no version', async () => {
  const record = await stored({ idle: 60_000, endsAt: now + DAY });
  const key = `${prefix}${record.id}`;
  const before = await shown(key);
  await backend.touch([{ id: record.id, epoch: 0, seenAt: now + 30_000 }], signal);
  expect(await shown(key)).toEqual(before);
  await backend.touch([{ id: record.id, epoch: 0, seenAt: now + 61_000 }], signal);
  await expectForgotten(key, 181);
  expect(await loaded(record)).toEqual({ ...record, seenAt: now + 61_000 });
  expect(await backend.save(nextRecord(environment, record, { seenAt: now + 62_000 }), signal)).toBe(true);
  await expectForgotten(key, 182);
});

it('what is over is gone when its time has come, and an ended session when it need not be kept', async () => {
  const over = await stored({ startedAt: now - 9 * DAY, seenAt: now - 9 * DAY, endsAt: now - 8 * DAY });
  const ended = await stored();
  await backend.end([ended.id], { at: now, cause: 'killed', by: 'x', keepUntil: now + 30_000 }, signal);
  expect(await loaded(over)).toBeDefined();
  await server.passes(LATE + 5);
  expect(await loaded(over)).toBeUndefined();
  expect((await loaded(ended))?.ended?.cause).toBe('killed');
  await server.passes(35);
  expect(await loaded(ended)).toBeUndefined();
  await server.passes(-LATE - 40);
}, 480_000);

it('a last use that was lost counts as now: nobody is idle for it', async () => {
  const record = await stored({ startedAt: now - DAY, seenAt: now - DAY, idle: 2 * DAY });
  expect((await loaded(record))?.seenAt).toBe(now - DAY);
  await documents.remove(`${prefix}seen:${record.id}`);
  expect((await loaded(record))?.seenAt).toBeGreaterThanOrEqual(now);
  await backend.touch([{ id: record.id, epoch: 0, seenAt: now + 7 }], signal);
  expect((await loaded(record))?.seenAt).toBe(now + 7);
});

it('with durable saves and ends are refused where the replicas are not there, and nothing else', async () => {
  const durable = couchbase(documents, { prefix, durable: 'persist_to_majority', deadline: 1_000 });
  const record = await stored();
  await server.inject({ durable: true, what: STATUS.durabilityImpossible });
  const refused = { code: 'BACKEND_FAILED', retryable: true };
  await expect(durable.save(makeRecord(environment), signal)).rejects.toMatchObject(refused);
  await expect(durable.save(nextRecord(environment, record, {}), signal)).rejects.toMatchObject(refused);
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now + 1_000 } as const;
  await expect(durable.end([record.id], how, signal)).rejects.toMatchObject(refused);
  expect(await durable.touch([{ id: record.id, epoch: 0, seenAt: now + 9 }], signal)).toEqual([]);
  expect(await backend.save(nextRecord(environment, record, {}), signal)).toBe(true);
  await server.heal();
  expect(await durable.end([record.id], how, signal)).toEqual([record.id]);
});

it('a save whose answer never came is a fault, and true when it comes again; it is stored once', async () => {
  const record = await stored();
  const next = nextRecord(environment, record, { data: '{"n":1}' });
  await server.inject({ operation: 'replace', what: 'silence', key: record.id, applied: true, times: 1 });
  await expect(backend.save(next, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  expect(await backend.save(next, signal)).toBe(true);
  expect(await loaded(record)).toEqual(next);
  const later = nextRecord(environment, next, {});
  await server.inject({ operation: 'replace', what: 'cut', key: record.id, applied: true, times: 1 });
  await server.counts();
  await expect(backend.save(later, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  expect((await server.counts()).replace).toBe(1);
  expect(await backend.save(later, signal)).toBe(true);
});

it('asked for its time, a store that is there answers that it has none; one that is not is down', async () => {
  const hasty = couchbase(documents, { prefix, deadline: 200 });
  expect(await hasty.now(signal)).toBe(undefined);
  await server.inject({ operation: 'get', what: 'silence' });
  await expect(hasty.now(signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  await server.heal();
  expect(await hasty.now(signal)).toBe(undefined);
});

it('a session that ended while a save was on its way stays ended when the save arrives', async () => {
  const other = couchbase(documents, { prefix });
  const record = await stored();
  await other.end([record.id], { at: now, cause: 'logout', by: undefined, keepUntil: now + DAY }, signal);
  // This one still knows the version that it stored itself.
  expect(await backend.save(nextRecord(environment, record, { data: '{"late":1}' }), signal)).toBe(false);
  expect((await loaded(record))?.ended?.cause).toBe('logout');
  expect(JSON.stringify(await shown(`${prefix}${record.id}`))).not.toContain('late');
});

it('a record of more than 20 MB is refused before it is sent, or by the server', async () => {
  const record = makeRecord(environment, { data: `{"x":"${'x'.repeat(20 * 1_024 * 1_024)}"}` });
  await server.counts();
  for (const user of [undefined, 'ann'])
    await expect(backend.save({ ...record, user }, signal)).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
    });
  const { insert = 0, get = 0 } = await server.counts();
  expect(insert + get).toBe(0);
  await server.inject({ operation: 'insert', what: STATUS.tooLarge, times: 1 });
  await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({
    code: 'RECORD_TOO_LARGE',
  });
});

it('a session whose user is another is in one list, also when an entry was left behind', async () => {
  const idsOf = async (user: string) =>
    (await backend.list({ limit: 9, user }, signal)).items.map(({ id }) => id);
  const entries = async (user: string) =>
    Object.keys((await documents.get(`${prefix}user:${digest(user)}`)).content.sessions);
  const early = couchbase(documents, { prefix, now: () => now - 120_000 });
  for (const what of [undefined, STATUS.tooLarge]) {
    const record = makeRecord(environment, { user: 'ann' });
    expect(await early.save(record, signal)).toBe(true);
    if (what !== undefined) await server.inject({ operation: 'replace', key: digest('ann'), what, times: 1 });
    // It is saved: that its entry stays with the user of before fails nothing.
    const bob = nextRecord(environment, record, { user: 'bob', epoch: 1 });
    expect(await backend.save(bob, signal)).toBe(true);
    expect(await entries('ann')).toEqual(what === undefined ? [] : [record.id]);
    expect(await idsOf('ann')).toEqual([]);
    expect(await entries('ann'), 'taken out by the list').toEqual([]);
    expect(await idsOf('bob')).toContain(record.id);
  }
});
