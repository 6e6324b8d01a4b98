import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { keeping, type RedisNode, replicasOf, startNode } from '@sessionkit/test-stores/redis-node';
import { makeRecord, nextRecord, type TestEnvironment, testEnvironment } from '@sessionkit/testkit';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RedisBackend, redis } from '../src/index.js';
import { ioredisClient, nodeRedisClient, signal } from './harness.js';

/** A master and its replica, which nobody watches. */
let master: RedisNode;
let replica: RedisNode;
beforeAll(async () => {
  const lines = [...keeping(false), 'repl-diskless-sync-delay 0'];
  master = await startNode(lines);
  replica = await startNode([...lines, `replicaof ${master.host} ${master.port}`]);
  await linked();
}, 300_000);
afterAll(async () => {
  await Promise.all([master?.server.stop(), replica?.server.stop()]);
});

const linked = () =>
  vi.waitFor(async () => {
    expect(await replicasOf(master)).toBe(1);
    expect(await master.ask('SET', 'linked', '1')).toBe('+OK\r\n');
    expect(await replica.ask('GET', 'linked')).toBe('$1\r\n1\r\n');
  }, 20_000);
const stall = () => process.kill(replica.server.pid, 'SIGSTOP');
const goOn = () => process.kill(replica.server.pid, 'SIGCONT');

const unreplicated = { code: 'BACKEND_FAILED', retryable: true };

interface Made {
  readonly backend: RedisBackend;
  readonly environment: TestEnvironment;
  close(): Promise<void>;
}

async function made(library: string, at: RedisNode = master): Promise<Made> {
  const url = `redis://${at.host}:${at.port}`;
  const environment = testEnvironment({ start: Date.now(), random: 'real' });
  const client = library === 'ioredis' ? await ioredisClient(url) : await nodeRedisClient(url);
  const backend = redis(client, { durable: true, writeWithin: 2_000, log: environment.log });
  return {
    backend,
    environment,
    async close() {
      await backend.close();
      if ('destroy' in client) client.destroy();
      else client.disconnect();
    },
  };
}

describe.each(['ioredis', 'node-redis'])('durable: true, with %s', (library) => {
  it('a save that no replica has is of unknown outcome; sent again when one has it, it answers true; reads do not wait', async () => {
    const { backend, environment, close } = await made(library);
    expect(backend.traits.durable).toBe(true);
    const record = makeRecord(environment);
    expect(await backend.save(record, signal)).toBe(true);
    const next = nextRecord(environment, record, { data: '{"n":2}' });
    stall();
    try {
      const saved = backend.save(next, signal);
      saved.catch(() => undefined);
      await pause(50);
      const asked = performance.now();
      expect(await backend.load([record.id], signal)).toMatchObject([{ version: 2 }]);
      expect(performance.now() - asked).toBeLessThan(500);
      await expect(saved).rejects.toMatchObject(unreplicated);
      await expect(backend.save(next, signal)).rejects.toMatchObject(unreplicated);
    } finally {
      goOn();
    }
    expect(await backend.save(next, signal)).toBe(true);
    expect(await replica.ask('HGET', `sessionkit:{${record.id}}`, 'data')).toContain('{"n":2}');
    await close();
  });

  it('an end that no replica has is of unknown outcome; sent again it waits for them, though it has ended already', async () => {
    const { backend, environment, close } = await made(library);
    const record = makeRecord(environment);
    await backend.save(record, signal);
    const at = environment.now();
    const how = { at, cause: 'logout', by: undefined, keepUntil: at + 60_000 } as const;
    stall();
    try {
      await expect(backend.end([record.id], how, signal)).rejects.toMatchObject(unreplicated);
      await expect(backend.end([record.id], how, signal)).rejects.toMatchObject(unreplicated);
    } finally {
      goOn();
    }
    expect(await backend.end([record.id], how, signal)).toEqual([]);
    expect(await replica.ask('HEXISTS', `sessionkit:{${record.id}}`, 'ended')).toBe(':1\r\n');
    await close();
  });

  it('saves that come together are waited for together', async () => {
    const { backend, environment, close } = await made(library);
    const records = Array.from({ length: 200 }, () => makeRecord(environment));
    await backend.now(signal);
    await master.ask('CONFIG', 'RESETSTAT');
    const saved = await Promise.all(records.map((record) => backend.save(record, signal)));
    expect(new Set(saved)).toEqual(new Set([true]));
    const [, waits] = /cmdstat_wait:calls=(\d+)/.exec(await master.ask('INFO', 'commandstats')) ?? [];
    expect(Number(waits)).toBeGreaterThan(0);
    expect(Number(waits)).toBeLessThan(20);
    await close();
  });
});

it('a replica that was there is missed when it goes, and nothing is acknowledged until it is back', async () => {
  const { backend, environment, close } = await made('ioredis');
  expect(await backend.save(makeRecord(environment), signal)).toBe(true);
  await replica.server.kill();
  await vi.waitFor(async () => expect(await replicasOf(master)).toBe(0), 5_000);
  await expect(backend.save(makeRecord(environment), signal)).rejects.toMatchObject({
    ...unreplicated,
    cause: { message: expect.stringContaining('0 of 1 replicas') },
  });
  await replica.server.start();
  await linked();
  expect(await backend.save(makeRecord(environment), signal)).toBe(true);
  await close();
});

it('a master without a replica is warned of once, and acknowledges by itself', async () => {
  const alone = await startNode(keeping(false));
  try {
    const { backend, environment, close } = await made('ioredis', alone);
    for (let n = 0; n < 3; n++) expect(await backend.save(makeRecord(environment), signal)).toBe(true);
    const warnings = environment.entries.filter(({ level }) => level === 'warning');
    expect(warnings).toMatchObject([{ message: expect.stringContaining('the master has no replica') }]);
    await close();
  } finally {
    await alone.server.stop();
  }
});

it('the connections of durable writes go when the backend is closed', async () => {
  const before = await clients();
  const { backend, environment, close } = await made('ioredis');
  await backend.save(makeRecord(environment), signal);
  expect(await clients()).toBe(before + 2);
  await close();
  await vi.waitFor(async () => expect(await clients()).toBe(before), 5_000);
});

/** A backend on ioredis, and the connection of its durable writes as soon as it is begun. */
async function lined() {
  const client = await ioredisClient(`redis://${master.host}:${master.port}`);
  const environment = testEnvironment({ start: Date.now(), random: 'real' });
  const begun = new Promise<Redis>((resolve) => {
    const duplicate = client.duplicate.bind(client);
    vi.spyOn(client, 'duplicate').mockImplementationOnce((override) => {
      const line = duplicate(override);
      resolve(line);
      return line;
    });
  });
  const backend = redis(client, { durable: true, log: environment.log });
  await backend.now(signal);
  return { backend, begun, client, save: () => backend.save(makeRecord(environment), signal) };
}

it('with ioredis a connection of durable writes that was lost costs no write: the next one has another', async () => {
  const { backend, begun, client, save } = await lined();
  expect(await save()).toBe(true);
  const line = await begun;
  const lost = once(line, 'end');
  await master.ask('CLIENT', 'KILL', 'ID', `${await line.client('ID')}`);
  await lost;
  expect(await save()).toBe(true);
  await backend.close();
  client.disconnect();
});

it('a connection of durable writes that is being made when the backend is closed does not stay', async () => {
  const { backend, begun, client, save } = await lined();
  const saved = save();
  const gone = once(await begun, 'end');
  await backend.close();
  await expect(saved).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
  await gone;
  client.disconnect();
});

async function clients(): Promise<number> {
  const list = await master.ask('CLIENT', 'LIST', 'TYPE', 'NORMAL');
  return list.split('\n').filter((line) => line.startsWith('id=')).length;
}
