import { createSecret, hashSecret, SessionError, toToken } from '@sessionkit/session-core';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { Ids } from '../src/dump.js';
import { memcache } from '../src/index.js';
import { clientOf, ownServer, signal } from './harness.js';

const own = ownServer();

/** What is stored under a key; undefined when nothing is. */
async function storedAt(key: string): Promise<string | undefined> {
  const raw = await own().server.ask(`get ${key}`);
  return raw === 'END\r\n' ? undefined : raw.slice(raw.indexOf('\r\n') + 2, -'\r\nEND\r\n'.length);
}

/** For how many seconds a key stays, by the server's own dump of keys. */
async function staysFor(key: string): Promise<number> {
  const { server } = own();
  const dump = await server.keys();
  const [, until] = new RegExp(`^key=${key.replaceAll(':', '%3A')} exp=(-?\\d+) `, 'm').exec(dump) ?? [];
  return Number(until) - Number((await server.stats()).time);
}

const ending = (at: number, keepFor: number) =>
  ({ at, cause: 'logout', by: undefined, keepUntil: at + keepFor }) as const;

it('a session is a line of JSON that an operator can read, then its data as it is; its last use is beside it', async () => {
  const { environment, backend } = own();
  const secret = createSecret(environment);
  const killAt = environment.now() + 5_000;
  const data = '{ "n" : 1.0,\n"é":2}';
  const record = makeRecord(environment, { user: 'ann', data, killAt, secretHash: hashSecret(secret) });
  await backend({ names: { sid: 'token', stop: 'stopDate', ip: 'ipAdress' } }).save(record, signal);
  const stored = (await storedAt(`sessionkit:${record.id}`)) ?? '';
  const [line = ''] = stored.split('\n');
  expect(stored.slice(line.length + 1)).toBe(data);
  expect(JSON.parse(line)).toEqual({
    token: record.id,
    user: 'ann',
    service: 'shop',
    ipAdress: '192.0.2.7',
    start: record.startedAt,
    stopDate: killAt,
    head: expect.arrayContaining([record.secretHash]),
  });
  expect(await storedAt(`sessionkit:${record.id}:seen`)).toBe(`${record.seenAt}`);
  expect(stored).not.toContain(secret);
  expect(stored).not.toContain(toToken(record.id, secret));
});

it('a last use that was evicted is taken for now, and never ends a session; the next use is noted again', async () => {
  const { environment, server, backend } = own();
  const now = environment.now() + 60_000;
  const record = makeRecord(environment, { idle: 10_000 });
  const { id, epoch } = record;
  const key = `sessionkit:${id}:seen`;
  const made = backend({ now: () => now });
  await made.save(record, signal);
  expect(await made.load([id], signal)).toMatchObject([{ seenAt: record.seenAt }]);
  await server.ask(`delete ${key}`);
  expect(await made.load([id], signal)).toMatchObject([{ seenAt: now, ended: undefined }]);
  expect((await made.list({ limit: 1_000 }, signal)).items).toContainEqual(
    expect.objectContaining({ id, seenAt: now }),
  );
  // A save notes nothing that nobody knows.
  expect(await made.save(nextRecord(environment, record), signal)).toBe(true);
  expect(await storedAt(key)).toBe(undefined);
  expect(await made.touch([{ id, epoch, seenAt: record.seenAt + 5 }], signal)).toEqual([]);
  expect(await storedAt(key)).toBe(`${now}`);
  expect(await made.touch([{ id, epoch, seenAt: now + 5 }], signal)).toEqual([]);
  expect(await storedAt(key)).toBe(`${now + 5}`);
});

it('a session goes by itself five minutes after its last possible use, which a use moves; its note goes later', async () => {
  const { environment, backend } = own();
  const made = backend();
  const now = Date.now();
  const record = makeRecord(environment, {
    startedAt: now,
    seenAt: now,
    idle: 600_000,
    endsAt: now + 7_200_000,
  });
  const { id, epoch } = record;
  await made.save(record, signal);
  expect(Math.abs((await staysFor(`sessionkit:${id}`)) - 900)).toBeLessThanOrEqual(2);
  expect(Math.abs((await staysFor(`sessionkit:${id}:seen`)) - 7_560)).toBeLessThanOrEqual(2);
  await made.touch([{ id, epoch, seenAt: now + 300_000 }], signal);
  expect(Math.abs((await staysFor(`sessionkit:${id}`)) - 1_200)).toBeLessThanOrEqual(2);
  // A login moves the end: the note must not go before its session.
  await made.save(nextRecord(environment, record, { endsAt: now + 9_000_000 }), signal);
  expect(Math.abs((await staysFor(`sessionkit:${id}`)) - 1_200)).toBeLessThanOrEqual(2);
  expect(Math.abs((await staysFor(`sessionkit:${id}:seen`)) - 9_360)).toBeLessThanOrEqual(2);
  await made.end([id], ending(now, 60_000), signal);
  expect(Math.abs((await staysFor(`sessionkit:${id}`)) - 360)).toBeLessThanOrEqual(2);
});

it.each([
  ['40 days', 40 * 86_400],
  ['until after 2038, which memcached cannot count', Number.POSITIVE_INFINITY],
])('a session may live for more than the 30 days that a time to live can have: %s', async (_, seconds) => {
  const { environment, backend } = own();
  const now = Date.now();
  const long = Number.isFinite(seconds) ? seconds * 1_000 : 100 * 366 * 86_400_000;
  const record = makeRecord(environment, { startedAt: now, seenAt: now, idle: long, endsAt: now + long });
  await backend().save(record, signal);
  expect(await backend().load([record.id], signal)).toEqual([record]);
  const stays = await staysFor(`sessionkit:${record.id}`);
  if (Number.isFinite(seconds)) expect(Math.abs(stays - seconds - 300)).toBeLessThanOrEqual(2);
  else expect(stays).toBeLessThan(0);
});

it('a record that is larger than allowed is refused before it is sent, counted in bytes; one that a server refuses as well', async () => {
  const { environment, backend } = own();
  const small = backend({ maxRecordBytes: 2_000 });
  const record = makeRecord(environment, { data: `{"a":"${'€'.repeat(600)}"}` });
  await expect(small.save(record, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  expect(await small.load([record.id], signal)).toEqual([undefined]);
  expect(small.traits.maxRecordBytes).toBe(2_000);
  expect(await small.save({ ...record, data: `{"a":"${'e'.repeat(500)}"}` }, signal)).toBe(true);

  const most = makeRecord(environment, { data: `"${'e'.repeat(999_000)}"` });
  expect(await backend().save(most, signal)).toBe(true);
  expect(await backend().load([most.id], signal)).toEqual([most]);
  const more = makeRecord(environment, { data: `"${'e'.repeat(1_000_000)}"` });
  await expect(backend().save(more, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  const unbounded = backend({ maxRecordBytes: 2_000_000 });
  const most2 = makeRecord(environment, { data: `"${'e'.repeat(1_100_000)}"` });
  await expect(unbounded.save(most2, signal)).rejects.toMatchObject({
    code: 'RECORD_TOO_LARGE',
    message: expect.stringContaining('too large'),
  });
  const next = nextRecord(environment, most, { data: most2.data });
  await expect(unbounded.save(next, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  expect(await backend().load([most.id], signal)).toEqual([most]);
});

it('memory that is full is said to be', async () => {
  const { environment } = own();
  const record = makeRecord(environment);
  const full = clientOf(own().server);
  // Whether a server says so depends on how its memory was dealt out: the words are those of its source.
  const refusing = Object.assign(Object.create(full) as typeof full, {
    send: () =>
      Promise.reject(
        Object.assign(new Error('refused'), {
          cmdTokens: ['SERVER_ERROR', 'out', 'of', 'memory', 'storing', 'object'],
        }),
      ),
  });
  await expect(memcache(refusing).save(record, signal)).rejects.toMatchObject({
    code: 'BACKEND_FULL',
    retryable: true,
  });
  full.shutdown();
});

it('what another program has put under a key of ours is RECORD_CORRUPT in its place; an end removes it', async () => {
  const { environment, client, backend } = own();
  const [good, bad] = [makeRecord(environment), makeRecord(environment)];
  await backend().save(good, signal);
  // Its client reads it as JSON, and cannot.
  await own().server.ask(`set sessionkit:${bad.id} 4 0 2`, '{x');
  expect(await backend().load([bad.id, good.id], signal)).toMatchObject([
    { code: 'RECORD_CORRUPT' },
    { id: good.id },
  ]);
  await client.set(`sessionkit:${bad.id}`, { theirs: 1 });
  const loaded = await backend().load([good.id, bad.id], signal);
  expect(loaded).toMatchObject([{ id: good.id }, { code: 'RECORD_CORRUPT' }]);
  expect(loaded[1] instanceof SessionError && loaded[1].message).toContain(bad.id);
  await expect(backend().save(nextRecord(environment, bad), signal)).rejects.toMatchObject({
    code: 'RECORD_CORRUPT',
  });
  expect(await backend().end([bad.id], ending(environment.now(), 0), signal)).toEqual([bad.id]);
  expect(await backend().load([bad.id], signal)).toEqual([undefined]);
});

it('ids come out of a dump in their order, each once, from behind any of them', () => {
  const { environment } = own();
  const records = Array.from({ length: 300 }, (_, n) =>
    makeRecord(environment, { startedAt: environment.now() - n * 400_000 }),
  );
  const all = records.map(({ id }) => id);
  const ids = new Ids();
  for (const id of [...all, ...all.slice(0, 50)]) ids.add(id);
  const sorted = [...all].sort();
  expect([...ids.behind(undefined)]).toEqual(sorted);
  for (const at of [0, 100, 299]) expect([...ids.behind(sorted[at])]).toEqual(sorted.slice(at + 1));
});

it('a lease is found until it ends, however long it is and whoever has announced something since', async () => {
  const { environment, backend } = own();
  const { id } = makeRecord(environment);
  let at = Date.now();
  const made = backend({ prefix: 'lease:', now: () => at });
  const announce = (process: string, ttl: number) =>
    made.announce(process, [{ id, process, since: at, detail: {} }], ttl, signal);
  const present = async () => (await made.present([id], signal)).map(({ process }) => process).sort();
  await announce('hour', 3_600_000);
  expect(await staysFor('lease:processes')).toBeGreaterThan(3_590);
  for (const process of ['one', 'two']) {
    at += 200_000;
    // Who comes later writes the list anew, without those that have gone.
    await announce(process, 10_000);
    expect(await present()).toEqual(['hour', process]);
    expect(await staysFor('lease:processes')).toBeGreaterThan(3_190);
    expect(await staysFor('lease:processes')).toBeLessThan(3_700);
  }
  at += 3_100_000;
  expect(await present()).toEqual(['hour']);
  at += 200_000;
  expect(await present()).toEqual([]);
});
