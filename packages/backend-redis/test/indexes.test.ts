import type { SessionRecord } from '@sessionkit/session-core';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { type RedisBackend, redis } from '../src/index.js';
import { signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();
let prefixes = 0;

function fresh() {
  const prefix = `p${prefixes++}:`;
  return { prefix, backend: own().backend({ prefix }), key: (name: string) => `${prefix}${name}` };
}

const make = (members?: Partial<SessionRecord>) => makeRecord(own().environment, members);
const entry = (record: SessionRecord, at: number) => `${record.id} ${at.toString(36)}`;
const idsOf = async (backend: RedisBackend, query: object) =>
  (await backend.list({ limit: 100, ...query }, signal)).items.map(({ id }) => id);

describe('an entry without its session', () => {
  it('is not listed; it is dropped when it is older than 60 s and left alone before', async () => {
    const { backend, key } = fresh();
    const now = await backend.now(signal);
    const [old, young] = [make(), make()];
    for (const index of ['index', 'index:service:shop', 'ended'])
      await own().client.zadd(key(index), '0', entry(old, now - 61_000), '0', entry(young, now - 59_000));
    expect(await idsOf(backend, {})).toEqual([]);
    expect(await idsOf(backend, { service: 'shop' })).toEqual([]);
    expect(await idsOf(backend, { state: 'ended' })).toEqual([]);
    for (const index of ['index', 'index:service:shop', 'ended'])
      expect(await own().client.zrange(key(index), '0', '-1')).toEqual([entry(young, now - 59_000)]);
  });

  it('does not shorten a page', async () => {
    const { backend, key } = fresh();
    const records = Array.from({ length: 6 }, () => make());
    for (const [n, record] of records.entries())
      if (n % 2 === 0) await own().client.zadd(key('index'), '0', entry(record, record.startedAt));
      else await backend.save(record, signal);
    const ids = records.map(({ id }) => id).sort();
    const stored = ids.filter((id) => records.findIndex((record) => record.id === id) % 2 === 1);
    expect((await backend.list({ limit: 2 }, signal)).items.map(({ id }) => id)).toEqual(stored.slice(0, 2));
  });

  it('of a user whom the session no longer has is not listed, and dropped when it is old', async () => {
    const { backend, key } = fresh();
    const now = await backend.now(signal);
    const record = make({ user: 'bob' });
    await backend.save(record, signal);
    await own().client.zadd(key('index:user:ann'), '0', entry(record, now - 61_000));
    expect(await idsOf(backend, { user: 'ann' })).toEqual([]);
    expect(await own().client.exists(key('index:user:ann'))).toBe(0);
    expect(await idsOf(backend, { user: 'bob' })).toEqual([record.id]);
  });

  it('that stands twice is listed once, and then stands once', async () => {
    const { backend, key } = fresh();
    const record = make();
    await backend.save(record, signal);
    await own().client.zadd(key('index'), '0', entry(record, 7));
    expect(await idsOf(backend, {})).toEqual([record.id]);
    expect(await backend.count({}, signal)).toBe(1);
  });
});

it('a change of user moves the session from one index to the other', async () => {
  const { backend, key } = fresh();
  const record = make({ user: 'ann' });
  await backend.save(record, signal);
  await backend.save(nextRecord(own().environment, record, { user: 'bob', epoch: 1 }), signal);
  expect(await own().client.exists(key('index:user:ann'))).toBe(0);
  expect(await idsOf(backend, { user: 'bob' })).toEqual([record.id]);
  expect(await idsOf(backend, {})).toEqual([record.id]);
  expect(await own().client.zcard(key('index'))).toBe(1);
  expect(await own().client.zcard(key('index:service:shop'))).toBe(1);
});

it('a sweep leaves nothing of a session behind, neither its journal nor an entry', async () => {
  const { prefix, backend } = fresh();
  const now = own().environment.now();
  const [idle, ended] = [make({ user: 'ann', startedAt: now - 90_000, idle: 1_000 }), make({ user: 'ann' })];
  for (const record of [idle, ended]) await backend.save(record, signal);
  const entries = [{ id: idle.id, at: 1, kind: 'log', text: 'x' }] as const;
  await backend.append({ batchId: 'b', entries }, signal);
  await backend.end([ended.id], { at: now, cause: 'logout', by: undefined, keepUntil: now - 1 }, signal);
  expect((await own().client.keys(`${prefix}*`)).length).toBeGreaterThan(5);
  expect([...(await backend.sweep(now, 10, signal))].sort()).toEqual([idle.id, ended.id].sort());
  expect(await own().client.keys(`${prefix}*`)).toEqual([]);
});

it('a sweep settles what is due and no longer there, so that it is not met again', async () => {
  const { prefix, backend, key } = fresh();
  const now = own().environment.now();
  const record = make({ startedAt: now - 90_000, idle: 1_000 });
  await backend.save(record, signal);
  await own().client.del(key(`{${record.id}}`));
  expect(await backend.sweep(now, 10, signal)).toEqual([]);
  expect(await own().client.keys(`${prefix}*`)).toEqual([]);
});

it('while one process sweeps, another finds nothing to do; a lock that was left behind runs out', async () => {
  const { backend, key } = fresh();
  const now = own().environment.now();
  const record = make({ startedAt: now - 90_000, idle: 1_000 });
  await backend.save(record, signal);
  await own().client.set(key('sweeper'), 'another', 'PX', 100);
  expect(await backend.sweep(now, 10, signal)).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 150));
  const [one, two] = await Promise.all([backend.sweep(now, 10, signal), backend.sweep(now, 10, signal)]);
  expect([...one, ...two]).toEqual([record.id]);
  expect(await own().client.exists(key('sweeper'))).toBe(0);
});

it('an index lives as long as the last of its sessions can', async () => {
  const { backend, key } = fresh();
  const now = own().environment.now();
  const [long, short] = [make({ endsAt: now + 9_000_000 }), make({ endsAt: now + 1_000_000 })];
  for (const record of [long, short]) await backend.save(record, signal);
  for (const index of ['index', 'index:service:shop', 'due'])
    expect(await own().client.pexpiretime(key(index))).toBe(now + 9_600_000);
  await backend.end([short.id], { at: now, cause: 'logout', by: undefined, keepUntil: now + 2e7 }, signal);
  for (const index of ['index', 'index:service:shop', 'due', 'ended'])
    expect(await own().client.pexpiretime(key(index))).toBe(now + 2e7 + 600_000);
});

it('a login that lets a session live longer lets its indexes live as long', async () => {
  const { backend, key } = fresh();
  const now = own().environment.now();
  const record = make({ endsAt: now + 60_000 });
  await backend.save(record, signal);
  const login = { user: 'ann', epoch: 1, endsAt: now + 3_600_000 };
  expect(await backend.save(nextRecord(own().environment, record, login), signal)).toBe(true);
  for (const index of ['index', 'index:service:shop', 'index:user:ann', 'due'])
    expect(await own().client.pexpiretime(key(index)), index).toBe(now + 3_600_000 + 600_000);
});

it('sessions that were not claimed have their places too', async () => {
  const { backend } = fresh();
  const record = make({ user: 'ann' });
  await backend.save(record, signal);
  const claim = { service: 'shop', user: 'ann', at: own().environment.now(), max: 1 } as const;
  const id = make().id;
  expect(await backend.claim({ ...claim, id, full: 'refuse' }, signal)).toEqual([id]);
  expect(await backend.claim({ ...claim, id, full: 'oldest' }, signal)).toEqual([record.id]);
});

it('a place that is claimed again while another claim is being decided is not given away', async () => {
  const { client } = own();
  const { prefix, backend, key } = fresh();
  const at = await backend.now(signal);
  const [early, late] = [make().id, make().id];
  const claim = { service: 'shop', user: 'ann', max: 1, full: 'refuse' } as const;
  await backend.claim({ ...claim, id: early, at: at - 61_000 }, signal);
  const between = redis(
    {
      options: client.options,
      status: client.status,
      on: client.on.bind(client),
      off: client.off.bind(client),
      pipeline: (commands) => client.pipeline(commands),
      duplicate: (override) => client.duplicate(override),
      async call(name, args) {
        if (name === 'EVALSHA') await client.hset(key('places:4:shop:ann'), early, `${at}`);
        return client.call(name, args);
      },
    },
    { prefix },
  );
  expect(await between.claim({ ...claim, id: late, at }, signal)).toEqual([late]);
});

it('a session whose user changes while it is being ended is ended under the new one, and listed so', async () => {
  const { client, environment } = own();
  const { prefix, backend } = fresh();
  const record = make({ user: 'ann' });
  await backend.now(signal);
  await backend.save(record, signal);
  let logins = 0;
  const between = redis(
    {
      options: client.options,
      status: client.status,
      on: client.on.bind(client),
      off: client.off.bind(client),
      duplicate: (override) => client.duplicate(override),
      call: (name, args) => client.call(name, args),
      pipeline: (commands) => ({
        async exec() {
          if (logins++ === 0)
            await backend.save(nextRecord(environment, record, { user: 'bob', epoch: 1 }), signal);
          return client.pipeline(commands).exec();
        },
      }),
    },
    { prefix },
  );
  const now = environment.now();
  const how = { at: now, cause: 'killed', by: undefined, keepUntil: now + 60_000 } as const;
  expect(await between.end([record.id], how, signal)).toEqual([record.id]);
  expect(logins).toBe(2);
  for (const [user, ids] of Object.entries({ ann: [], bob: [record.id] }))
    expect(await idsOf(backend, { user, state: 'ended' })).toEqual(ids);
});
