import { createSecret, hashSecret, SessionError, toToken } from '@sessionkit/session-core';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();

it('a session is a hash whose members an operator can read, without a secret', async () => {
  const { client, environment, backend } = own();
  const secret = createSecret(environment);
  const killAt = environment.now() + 5_000;
  const members = { user: 'ann', data: '{"n":1}', killAt, secretHash: hashSecret(secret) };
  const record = makeRecord(environment, members);
  await backend({ names: { sid: 'token', stop: 'stopDate', ip: 'ipAdress' } }).save(record, signal);
  const key = `sessionkit:{${record.id}}`;
  const stored = await client.hgetall(key);
  expect(stored).toEqual({
    token: record.id,
    user: 'ann',
    service: 'shop',
    ipAdress: '192.0.2.7',
    start: `${record.startedAt}`,
    stopDate: `${killAt}`,
    data: '{"n":1}',
    seen: `${record.seenAt}`,
    epoch: '0',
    kill: `${killAt}`,
    head: expect.stringContaining(record.secretHash),
  });
  expect(JSON.stringify(stored)).not.toContain(secret);
  expect(JSON.stringify(stored)).not.toContain(toToken(record.id, secret));
});

it('members that others have put into the hash are kept by saves and by an end', async () => {
  const { client, environment, backend } = own();
  const record = makeRecord(environment);
  const key = `sessionkit:{${record.id}}`;
  await backend().save(record, signal);
  await client.hset(key, 'theirs', 'kept');
  await backend().save(nextRecord(environment, record, { data: '{"n":2}' }), signal);
  const how = {
    at: environment.now(),
    cause: 'logout',
    by: undefined,
    keepUntil: environment.now() + 60_000,
  } as const;
  await backend().end([record.id], how, signal);
  expect(await client.hmget(key, 'theirs', 'data')).toEqual(['kept', '{}']);
});

it('a member of the head that a newer version has added survives a save', async () => {
  const { environment, backend } = own();
  const record = makeRecord(environment, { extra: { region: 'eu' } });
  await backend().save(record, signal);
  const [found] = await backend().load([record.id], signal);
  if (found === undefined || found instanceof SessionError) throw new Error('not found');
  await backend().save(nextRecord(environment, found, { data: '{"n":2}' }), signal);
  expect(await backend().load([record.id], signal)).toMatchObject([
    { extra: { region: 'eu' }, data: '{"n":2}' },
  ]);
});

it('the key of a session goes by itself ten minutes after its last possible use, and an ended one ten minutes after its keeping', async () => {
  const { client, environment, backend } = own();
  const record = makeRecord(environment);
  const key = `sessionkit:{${record.id}}`;
  await backend().save(record, signal);
  expect(await client.pexpiretime(key)).toBe(record.endsAt + 600_000);
  const keepUntil = environment.now() + 60_000;
  await backend().end(
    [record.id],
    { at: environment.now(), cause: 'logout', by: undefined, keepUntil },
    signal,
  );
  expect(await client.pexpiretime(key)).toBe(keepUntil + 600_000);
});

it.each([
  ['a text where a session should be', ['SET', 'text']],
  ['a hash without a head', ['HSET', 'seen', '1']],
  ['a head of another form', ['HSET', 'head', '{"a":1}']],
  ['a time that is none', ['HSET', 'head', '[]', 'seen', 'soon']],
])(
  '%s is RECORD_CORRUPT in its place for load, and for save; touch and end leave it alone',
  async (_, [command = '', ...args]) => {
    const { client, environment, backend } = own();
    const [good, bad] = [makeRecord(environment), makeRecord(environment)];
    const key = `sessionkit:{${bad.id}}`;
    await backend().save(good, signal);
    await client.call(command, [key, ...args]);
    const loaded = await backend().load([bad.id, good.id], signal);
    expect(loaded).toMatchObject([{ code: 'RECORD_CORRUPT' }, { id: good.id }]);
    expect(await backend().load([bad.id], signal)).toMatchObject([{ code: 'RECORD_CORRUPT' }]);
    await expect(backend().save(bad, signal)).rejects.toMatchObject({ code: 'RECORD_CORRUPT' });
    const touches = [good, bad].map(({ id }) => ({ id, epoch: 0, seenAt: environment.now() + 1 }));
    expect(await backend().touch(touches, signal)).not.toContain(good.id);
    expect((await backend().list({ limit: 1_000 }, signal)).items.map(({ id }) => id)).toContain(good.id);
    await client.del(key);
  },
);

it('a record that is larger than allowed is refused before it is sent, counted in bytes', async () => {
  const { environment, backend } = own();
  const small = backend({ maxRecordBytes: 2_000 });
  const record = makeRecord(environment, { data: `{"a":"${'€'.repeat(600)}"}` });
  await expect(small.save(record, signal)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
  expect(await small.load([record.id], signal)).toEqual([undefined]);
  expect(small.traits.maxRecordBytes).toBe(2_000);
  expect(await small.save({ ...record, data: `{"a":"${'e'.repeat(500)}"}` }, signal)).toBe(true);
});
