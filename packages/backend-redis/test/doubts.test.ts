import type { SessionRecord } from '@sessionkit/session-core';
import { makeRecord } from '@sessionkit/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RedisBackend, redis } from '../src/index.js';
import { signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();
const make = (members?: Partial<SessionRecord>) => makeRecord(own().environment, members);
let prefixes = 0;

afterEach(() => {
  vi.restoreAllMocks();
});

/** The steady clock of this process goes on by so much. */
function later(ms: number): void {
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + ms);
}

/** A backend whose connection is cut when all but the last `unsent` of the scripts of a pipeline have arrived. */
function cutBefore(unsent: number, prefix: string): RedisBackend {
  const { client } = own();
  return redis(
    {
      options: client.options,
      status: client.status,
      on: client.on.bind(client),
      off: client.off.bind(client),
      call: (name, args) => client.call(name, args),
      duplicate: (override) => client.duplicate(override),
      pipeline: (commands) => ({
        async exec() {
          if (!commands.some(([, name]) => name === 'EVALSHA')) return client.pipeline(commands).exec();
          await client.pipeline(commands.slice(0, commands.length - unsent)).exec();
          throw new Error('the connection was cut');
        },
      }),
    },
    { prefix, log: own().environment.log },
  );
}

const counts = (backend: RedisBackend) =>
  Promise.all(
    [{}, { service: 'shop' }, { user: 'ann' }, { service: 'shop', user: 'ann' }].map((query) =>
      backend.count(query, signal),
    ),
  );

describe('a first save whose connection is cut', () => {
  it('behind its index entries is counted for a minute, by its user never, and is gone with the next sweep of its process', async () => {
    const prefix = `cut${prefixes++}:`;
    const [cut, other] = [cutBefore(1, prefix), own().backend({ prefix })];
    const now = await other.now(signal);
    const there = make({ user: 'ann' });
    expect(await other.save(there, signal)).toBe(true);
    const keys = [...(await own().client.keys(`${prefix}*`))].sort();
    await cut.now(signal);
    await expect(cut.save(make({ user: 'ann' }), signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
    const withGhost = [2, 2, 1, 1];
    expect(await counts(other)).toEqual(withGhost);
    // It may have arrived after all, and its time is not over.
    expect(await cut.sweep(now - 1, 10, signal)).toEqual([]);
    expect(await counts(other)).toEqual(withGhost);
    later(61_000);
    // Who has not asked for it knows nothing of it: only its own process can tell.
    expect(await other.sweep(now - 1, 10, signal)).toEqual([]);
    expect(await counts(other)).toEqual(withGhost);
    expect(await cut.sweep(now - 1, 10, signal)).toEqual([]);
    expect(await counts(other)).toEqual([1, 1, 1, 1]);
    expect([...(await own().client.keys(`${prefix}*`))].sort()).toEqual(keys);
    expect(await own().client.zcard(`${prefix}due`)).toBe(1);
  });

  it('behind the save itself stays where it is, in lists and counts', async () => {
    const prefix = `cut${prefixes++}:`;
    const [cut, other] = [cutBefore(0, prefix), own().backend({ prefix })];
    const now = await cut.now(signal);
    const record = make({ user: 'ann' });
    await expect(cut.save(record, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
    later(61_000);
    expect(await cut.sweep(now - 1, 10, signal)).toEqual([]);
    expect(await counts(other)).toEqual([1, 1, 1, 1]);
    const { items } = await other.list({ service: 'shop', user: 'ann', limit: 5 }, signal);
    expect(items.map(({ id }) => id)).toEqual([record.id]);
  });
});

it('entries that a killed process has left go when their session would have been over, those of the services that are known here', async () => {
  const prefix = `killed${prefixes++}:`;
  const backend = own().backend({ prefix });
  const now = own().environment.now();
  const [living, ghost] = [make(), make({ startedAt: now - 90_000, idle: 1_000 })];
  await backend.save(living, signal);
  const { client } = own();
  for (const index of ['index', 'index:service:shop', 'index:service:bank'])
    await client.zadd(`${prefix}${index}`, '0', `${ghost.id} ${ghost.startedAt.toString(36)}`);
  await client.zadd(`${prefix}due`, `${ghost.startedAt + ghost.idle}`, ghost.id);
  expect(await counts(backend)).toEqual([2, 2, 0, 0]);
  expect(await backend.sweep(now, 10, signal)).toEqual([]);
  expect(await counts(backend)).toEqual([1, 1, 0, 0]);
  expect(await backend.count({ service: 'bank' }, signal), 'nothing of it was ever stored here').toBe(1);
});
