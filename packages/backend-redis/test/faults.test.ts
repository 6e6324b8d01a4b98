import { inspect } from 'node:util';
import { can, SessionError, type SessionRecord } from '@sessionkit/session-core';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type RedisBackend, type RedisOptions, redis } from '../src/index.js';
import { ioredisOptions, nodeRedisClient, signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer({ durable: true });

describe('a client that would queue or resend', () => {
  it.each([
    [{}, ['autoResendUnfulfilledCommands: false', 'enableOfflineQueue: false']],
    [{ enableOfflineQueue: false }, ['autoResendUnfulfilledCommands: false']],
    [{ autoResendUnfulfilledCommands: false }, ['enableOfflineQueue: false']],
    [{ ...ioredisOptions, keyPrefix: 'x:' }, ['keyPrefix']],
  ])('of ioredis with %j is refused, the options named', (options, named) => {
    const client = new Redis({ ...options, lazyConnect: true });
    for (const name of named) expect(() => redis(client)).toThrow(name);
    expect(() => redis(client)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    if (named.length === 1) expect(() => redis(client)).not.toThrow('enableOfflineQueue: false and');
    client.disconnect();
  });

  it('of node-redis is refused, the option named', () => {
    expect(() => redis(createClient())).toThrow('disableOfflineQueue: true');
    expect(() => redis(createClient())).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('that is no client of Redis is refused', () => {
    expect(() => redis({ options: {} } as Redis)).toThrow('neither one of ioredis nor one of node-redis');
  });
});

it.each([
  [{ names: { ip: 'data' } }, '"data"'],
  [{ names: { ip: '' } }, 'empty'],
  [{ prefix: '' }, 'prefix must not be empty'],
  [{ prefix: '{a}' }, 'braces'],
  [{ writeWithin: 0 }, 'writeWithin'],
  [{ maxRecordBytes: 1.5 }, 'maxRecordBytes'],
])('the options %j are refused', (options, message) => {
  expect(() => own().backend(options)).toThrow(message);
  expect(() => own().backend(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

/** A call of each verb. */
function calls(backend: RedisBackend) {
  const record = makeRecord(own().environment, { user: 'ann' });
  const { id } = record;
  const now = own().environment.now();
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now } as const;
  return {
    load: () => backend.load([id], signal),
    loadMany: () => backend.load([id, id], signal),
    create: () => backend.save(record, signal),
    save: () => backend.save(nextRecord(own().environment, record), signal),
    touch: () => backend.touch([{ id, epoch: 0, seenAt: 1 }], signal),
    end: () => backend.end([id], how, signal),
    now: () => backend.now(signal),
    list: () => backend.list({ limit: 1 }, signal),
    count: () => backend.count({}, signal),
    sweep: () => backend.sweep(0, 1, signal),
    claim: () => backend.claim({ service: 's', user: 'u', id, at: now, max: 1, full: 'refuse' }, signal),
    append: () => backend.append({ batchId: 'b', entries: [{ id, at: 1, kind: 'log', text: '' }] }, signal),
    read: () => backend.read([id], signal),
    announce: () => backend.announce('one', [], 1, signal),
    present: () => backend.present([id], signal),
  };
}

describe.each(['ioredis', 'node-redis'])('with %s', (library) => {
  async function made(options: RedisOptions = {}) {
    if (library === 'ioredis') return { backend: own().backend(options), close: () => {} };
    const client = await nodeRedisClient(own().server.url);
    const backend = redis(client, { log: own().environment.log, ...options });
    return {
      backend,
      close: async () => {
        await backend.close();
        client.destroy();
      },
    };
  }

  it('a server that goes down is BACKEND_DOWN for every verb, never "not there", and everything goes on when it is back', {
    timeout: 20_000,
  }, async () => {
    const { backend, close } = await made();
    const heard: unknown[] = [];
    await backend.watch((change) => heard.push(change));
    const record = makeRecord(own().environment);
    await backend.save(record, signal);
    await own().server.server?.kill();
    await vi.waitFor(() => expect(backend.now(signal)).rejects.toThrow());
    for (const [verb, call] of Object.entries(calls(backend))) {
      const fault = await call().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(fault, verb).toBeInstanceOf(SessionError);
      expect(fault, verb).toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
      // An option that is as it has to be is nothing to look for.
      expect(inspect(fault), verb).not.toContain('enableOfflineQueue');
    }
    await own().server.server?.start();
    await vi.waitFor(() => backend.now(signal), { timeout: 5_000 });
    expect(await backend.load([record.id], signal)).toMatchObject([{ id: record.id }]);
    await vi.waitFor(
      async () => {
        const next = makeRecord(own().environment);
        await backend.save(next, signal);
        await backend.end([next.id], { at: 1, cause: 'killed', by: undefined, keepUntil: 2 }, signal);
        expect(heard.length).toBeGreaterThan(0);
      },
      { timeout: 5_000 },
    );
    await close();
  });

  it('every outage of the notices is logged, also when nothing was heard in between', async () => {
    const logged: string[] = [];
    const prefix = `deaf-${library}:`;
    const { backend, close } = await made({ prefix, log: ({ message }) => logged.push(message) });
    const stop = await backend.watch(() => {});
    const { server } = own();
    const now = performance.now.bind(performance);
    onTestFinished(() => void vi.restoreAllMocks());
    for (const outage of [1, 2]) {
      // The second one comes later than a moment after the first.
      vi.spyOn(performance, 'now').mockImplementation(() => now() + outage * 10_000);
      await server.server?.kill();
      await vi.waitFor(() => expect(logged).toHaveLength(outage));
      await server.server?.start();
      await vi.waitFor(
        async () => expect(await server.ask('PUBSUB', 'NUMSUB', `${prefix}changes`)).toContain(':1\r\n'),
        5_000,
      );
    }
    await vi.waitFor(() => backend.now(signal), 5_000);
    expect(new Set(logged)).toEqual(new Set(['redis: no notices of changes at present']));
    await stop();
    await close();
  });

  it('a server without its scripts gets them again, each once', async () => {
    const { backend, close } = await made();
    const record = makeRecord(own().environment);
    await backend.now(signal);
    await own().server.ask('SCRIPT', 'FLUSH');
    expect(await backend.save(record, signal)).toBe(true);
    await own().server.ask('SCRIPT', 'FLUSH');
    await own().server.ask('CONFIG', 'RESETSTAT');
    expect(await backend.touch([{ id: record.id, epoch: 0, seenAt: record.seenAt + 1 }], signal)).toEqual([]);
    expect(await backend.touch([{ id: record.id, epoch: 0, seenAt: record.seenAt + 2 }], signal)).toEqual([]);
    expect(await own().server.calls()).toMatchObject({ evalsha: 2, eval: 1 });
    await close();
  });

  it('a store without memory is BACKEND_FULL, for a creation and for a later save, and reads go on', async () => {
    const { backend, close } = await made();
    const record = makeRecord(own().environment);
    await backend.save(record, signal);
    await own().server.ask('CONFIG', 'SET', 'maxmemory', '1');
    try {
      for (const each of [makeRecord(own().environment), nextRecord(own().environment, record)])
        await expect(backend.save(each, signal)).rejects.toMatchObject({
          code: 'BACKEND_FULL',
          retryable: true,
        });
      const { id } = record;
      expect(await backend.load([id], signal)).toMatchObject([{ id }]);
      expect(await backend.load([id, id], signal)).toMatchObject([{ id }, { id }]);
    } finally {
      await own().server.ask('CONFIG', 'SET', 'maxmemory', '0');
    }
    await close();
  });

  it('a store without memory goes on touching, ending, listing and sweeping, though it has lost the scripts', async () => {
    const { backend, close } = await made();
    const now = own().environment.now();
    const old = { startedAt: now - 90_000, idle: 1_000 };
    const [dead, used, living] = [old, old, { user: 'ann' }].map((given) =>
      makeRecord(own().environment, given),
    ) as [SessionRecord, SessionRecord, SessionRecord];
    for (const record of [dead, used, living]) await backend.save(record, signal);
    await own().server.ask('CONFIG', 'SET', 'maxmemory', '1');
    try {
      await own().server.ask('SCRIPT', 'FLUSH');
      const entries = await own().server.ask('ZCARD', 'sessionkit:index');
      await expect(backend.save(makeRecord(own().environment), signal)).rejects.toThrow('no memory left');
      expect(await own().server.ask('ZCARD', 'sessionkit:index')).toBe(entries);
      const lines = [{ id: used.id, at: now, kind: 'log', text: '' }] as const;
      await expect(backend.append({ batchId: 'b', entries: lines }, signal)).rejects.toThrow(
        'no memory left',
      );
      expect(await backend.touch([{ id: used.id, epoch: 0, seenAt: now }], signal)).toEqual([]);
      const how = { at: now, cause: 'logout', by: undefined, keepUntil: now + 1e10 } as const;
      expect(await backend.end([living.id], how, signal)).toEqual([living.id]);
      const { items } = await backend.list({ user: 'ann', state: 'ended', limit: 9 }, signal);
      expect(items.map(({ id }) => id)).toContain(living.id);
      const swept = await backend.sweep(now, 99, signal);
      expect(swept).toContain(dead.id);
      expect(swept).not.toContain(used.id);
      expect(await own().server.ask('ZSCORE', 'sessionkit:due', used.id)).toContain(`\r\n${now + 1_000}\r\n`);
    } finally {
      await own().server.ask('CONFIG', 'SET', 'maxmemory', '0');
    }
    await close();
  });

  it('a command that the server refuses is BACKEND_FAILED, with its cause', async () => {
    const { backend, close } = await made();
    await own().server.ask('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
    try {
      const record = makeRecord(own().environment, { data: '{"private":"matter"}' });
      const fault = await backend.save(record, signal).catch((error: unknown) => error);
      expect(inspect(fault, { depth: 9, showHidden: true })).not.toMatch(
        new RegExp(`matter|${record.secretHash}`),
      );
      expect(fault).toMatchObject({
        code: 'BACKEND_FAILED',
        cause: { message: expect.stringContaining('NOPERM') },
      });
    } finally {
      await own().server.ask('ACL', 'SETUSER', 'default', '+@all');
    }
    await close();
  });

  it('a write that reaches the store too late is refused there, and the next one is taken', async () => {
    const { backend, close } = await made();
    const record = makeRecord(own().environment);
    await backend.now(signal);
    await own().server.ask('CLIENT', 'PAUSE', '2300', 'WRITE');
    await expect(backend.save(record, signal)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      retryable: true,
    });
    expect(await backend.load([record.id], signal)).toEqual([undefined]);
    expect(await backend.save(record, signal)).toBe(true);
    await close();
  });
});

it('the clock of the store that was set forward refuses one write and is known then', async () => {
  const backend = own().backend({ writeWithin: 50 });
  const record = makeRecord(own().environment);
  const real = performance.now.bind(performance);
  await backend.now(signal);
  // To this process the store seems to be where it was: its own clock stood still for a minute.
  vi.spyOn(performance, 'now').mockImplementation(() => real() - 60_000);
  try {
    await expect(backend.save(record, signal)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      retryable: true,
    });
    expect(await backend.save(record, signal)).toBe(true);
  } finally {
    vi.restoreAllMocks();
  }
});

it('a store that evicts says so once, when its clock is first asked; one that does not says nothing', async () => {
  const { server, environment, backend } = own();
  const warnings = () => environment.entries.filter(({ message }) => message.includes('maxmemory-policy'));
  await backend().now(signal);
  await backend().count({}, signal);
  expect(warnings()).toEqual([]);
  await server.ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  const evicting = backend();
  await evicting.now(signal);
  await evicting.now(signal);
  await vi.waitFor(() => expect(warnings()).toHaveLength(1));
  expect(warnings()[0]).toMatchObject({ level: 'warning', message: expect.stringContaining('allkeys-lru') });
  await server.ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
});

it('can all but fences', () => {
  expect(can(own().backend(), 'fences')).toBe(false);
});
