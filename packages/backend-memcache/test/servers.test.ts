import { SessionError, type SessionId } from '@sessionkit/session-core';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MemcacheBackend, memcache } from '../src/index.js';
import { Ring } from '../src/ring.js';
import { clientOf, SMALL_TABLE, signal } from './harness.js';

const environment = testEnvironment({ start: Date.now(), random: 'real' });
let servers: MemcachedServer[];
let clients: ReturnType<typeof clientOf>[];
let backend: MemcacheBackend;

beforeAll(async () => {
  servers = await Promise.all([1, 2].map(() => startMemcached({ own: true, args: SMALL_TABLE })));
  clients = servers.map((server) => clientOf(server));
  backend = memcache(clients, { log: environment.log });
}, 120_000);
afterAll(async () => {
  await backend.close();
  for (const client of clients) client.shutdown();
  await Promise.all(servers.map((server) => server.stop()));
});

const how = (at: number) => ({ at, cause: 'logout', by: 'ann', keepUntil: at + 60_000 }) as const;

/** Sessions by the server that has them. */
async function stored(count: number): Promise<[SessionId[], SessionId[]]> {
  const records = Array.from({ length: count }, () => makeRecord(environment));
  await Promise.all(records.map((record) => backend.save(record, signal)));
  const there = await servers[0]?.ask(`get ${records.map(({ id }) => `sessionkit:${id}`).join(' ')}`);
  const ids = records.map(({ id }) => id);
  return [ids.filter((id) => there?.includes(id)), ids.filter((id) => !there?.includes(id))];
}

it('each server has its share, and whatever belongs to a session is on one of them', async () => {
  const shares = await stored(200);
  for (const share of shares) expect(share.length).toBeGreaterThan(50);
  const touches = shares.flat().map((id) => ({ id, epoch: 0, seenAt: Date.now() }));
  expect(await backend.touch(touches, signal)).toEqual([]);
  const entries = shares.flat().map((id) => ({ id, at: 1, kind: 'log', text: 'x' }) as const);
  await backend.append({ batchId: 'shares', entries }, signal);
  for (const [at, server] of servers.entries()) {
    const dump = await server.keys();
    for (const id of shares[at] ?? [])
      expect([...dump.matchAll(new RegExp(id, 'g'))], 'record, last use and journal').toHaveLength(3);
    for (const id of shares[1 - at] ?? []) expect(dump).not.toContain(id);
  }
  expect((await backend.list({ limit: 1_000 }, signal)).items.map(({ id }) => id)).toEqual(
    shares.flat().sort(),
  );
});

it('of two servers one dies: its sessions are BACKEND_DOWN, those of the other go on, and nothing moves to it', async () => {
  const [lost, kept] = await stored(40);
  const [one, other] = [lost[0] as SessionId, kept[0] as SessionId];
  await servers[0]?.server?.kill();

  const loaded = await backend.load([...lost, ...kept], signal);
  for (const found of loaded.slice(0, lost.length))
    expect(found).toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  for (const [at, found] of loaded.slice(lost.length).entries())
    expect(found).toMatchObject({ id: kept[at] });
  const [record] = loaded.slice(lost.length);
  if (record === undefined || record instanceof SessionError) expect.fail('it is there');
  expect(await backend.save(nextRecord(environment, record, { data: '{"n":1}' }), signal)).toBe(true);
  expect(await backend.load([other], signal)).toMatchObject([{ data: '{"n":1}' }]);

  await expect(backend.load([one], signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  const same = makeRecord(environment, { id: one });
  await expect(backend.save(same, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  await expect(backend.save(nextRecord(environment, same), signal)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
  });
  // Of what is away nothing is known; the others are touched.
  const seenAt = Date.now() + 5_000;
  expect(
    await backend.touch(
      [one, other].map((id) => ({ id, epoch: 0, seenAt })),
      signal,
    ),
  ).toEqual([]);
  expect(await backend.load([other], signal)).toMatchObject([{ seenAt }]);
  // Nobody may take a session for ended that is not; the other one is.
  await expect(backend.end([one, other], how(Date.now()), signal)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
  });
  expect(await backend.load([other], signal)).toMatchObject([{ ended: { by: 'ann' } }]);
  // A list would be short.
  await expect(backend.list({ limit: 5 }, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  await expect(backend.count({}, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  expect(await backend.now(signal), 'a part of it answers').toBe(undefined);
  expect(await servers[1]?.ask(`get sessionkit:${one}`), 'nothing was written elsewhere').toBe('END\r\n');

  await servers[0]?.server?.start();
  expect(await backend.load([one], signal), 'it has forgotten all').toEqual([undefined]);
  expect(await backend.save(same, signal)).toBe(true);
  expect(await backend.load([one], signal)).toEqual([same]);
  await servers[0]?.server?.kill();
  await servers[1]?.server?.kill();
  await expect(backend.now(signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  await expect(backend.touch([{ id: one, epoch: 0, seenAt }], signal)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
  });
  await Promise.all(servers.map((server) => server.server?.start()));
});

it('names alone decide which server has a key, in whatever order they are given; one more takes its share from each', () => {
  const named = (...names: string[]) => new Ring(names.map((name) => ({ name })));
  const two = named('a:1', 'b:1');
  const turned = named('b:1', 'a:1');
  const three = named('a:1', 'b:1', 'c:1');
  const keys = Array.from({ length: 3_000 }, () => makeRecord(environment).id);
  const moved = keys.filter((key) => three.of(key).name !== two.of(key).name);
  expect(keys.every((key) => two.of(key).name === turned.of(key).name)).toBe(true);
  expect(moved.every((key) => three.of(key).name === 'c:1')).toBe(true);
  expect(moved.length / keys.length).toBeGreaterThan(0.25);
  expect(moved.length / keys.length).toBeLessThan(0.42);
});
