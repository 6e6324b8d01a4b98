import { createSessionManager, processEnvironment, type Transport } from '@sessionkit/session-core';
import { startMemcached } from '@sessionkit/test-stores/memcached';
import { FaultProxy, makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { expect, it, vi } from 'vitest';
import { memcache } from '../src/index.js';
import { clientOf, ownServer, signal } from './harness.js';
import { connectTo } from './store-harness.js';

const own = ownServer();
/** Memory for some hundred of the values of these tests. */
const TINY = ['-m', '8'];

it('an answer that comes after its caller gave up is never taken for that of another command', async () => {
  const { server, environment } = own();
  const proxy = await FaultProxy.open(server);
  const client = clientOf(proxy.address, 1);
  const backend = memcache(client, { prefix: 'late:' });
  const records = Array.from({ length: 20 }, () => makeRecord(environment));
  for (const record of records) await backend.save(record, signal);
  const load = (at: number, giveUp: AbortSignal) => {
    const { id } = records[at] ?? makeRecord(environment);
    return backend.load([id], giveUp);
  };
  for (let round = 0; round < 10; round++) {
    proxy.delay(60);
    // Its answer is on its way when nobody waits for it any more.
    await expect(load(round, AbortSignal.timeout(20))).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
    const others = Promise.all([load(10, signal), load(11, signal), load(12, signal)]);
    await proxy.pass();
    const ids = (await others).map(([found]) => found && 'id' in found && found.id);
    expect(ids).toEqual([10, 11, 12].map((at) => records[at]?.id));
  }
  await backend.close();
  client.shutdown();
  await proxy.close();
});

it('a command that was not sent when its caller gave up is not sent', async () => {
  const { server, environment } = own();
  const proxy = await FaultProxy.open(server);
  const client = clientOf(proxy.address, 1);
  const backend = memcache(client, { prefix: 'unsent:' });
  const [first, second] = [makeRecord(environment), makeRecord(environment)];
  await backend.save(first, signal);
  proxy.swallow();
  const held = backend.save(nextRecord(environment, first), AbortSignal.timeout(300));
  const waiting = backend.save(second, AbortSignal.timeout(100));
  await expect(waiting).rejects.toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
  await expect(held).rejects.toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
  await proxy.pass();
  await vi.waitFor(async () => expect(await backend.load([first.id], signal)).toEqual([first]), 2_000);
  expect(await backend.load([second.id], signal)).toEqual([undefined]);
  await backend.close();
  client.shutdown();
  await proxy.close();
});

it('a save that is behind an end finds it, also when it read before; and an end that is behind a save ends what that stored', async () => {
  const { server, environment, backend } = own();
  const made = backend({ prefix: 'order:' });
  const how = { at: Date.now(), cause: 'killed', by: 'operator', keepUntil: Date.now() + 60_000 } as const;
  for (let round = 0; round < 50; round++) {
    const record = makeRecord(environment);
    await made.save(record, signal);
    let last = record;
    // Saves go on until they are refused; the end wins over each of them sooner or later.
    const saving = (async () => {
      for (;;) {
        const next = nextRecord(environment, last, { data: `{"n":${last.version}}` });
        if (!(await made.save(next, signal))) return;
        last = next;
      }
    })();
    expect(await made.end([record.id], how, signal)).toEqual([record.id]);
    const [ended] = await made.load([record.id], signal);
    expect(ended).toMatchObject({ ended: { cause: 'killed' }, data: '{}' });
    await saving;
    expect(await made.load([record.id], signal)).toEqual([ended]);
    expect(ended && 'version' in ended && ended.version).toBe(last.version);
    expect(await server.ask(`get order:${record.id}`)).not.toContain('"n"');
  }
});

it('says once at the start that a server evicts, and what it is not fit for: lists, large records, memory that was too small', async () => {
  const servers = await Promise.all([
    startMemcached({ args: ['-M'] }),
    startMemcached({ own: true }),
    startMemcached({ args: ['-M', '-X', '-I', '512k'] }),
    startMemcached({ args: TINY }),
  ]);
  const [sound, usual, small, full] = servers;
  for (let n = 0; n < 150; n++) await full?.ask(`set k${n} 0 0 90000`, 'x'.repeat(90_000));
  const clients = servers.map((server) => clientOf(server));
  const environment = testEnvironment();
  const backend = memcache(clients, { log: environment.log });
  for (let n = 0; n < 3; n++) expect(await backend.now(signal)).toBe(undefined);
  const said = () => environment.entries.map(({ level, message }) => `${level}: ${message}`).sort();
  await expect.poll(() => said().length).toBe(4);
  expect(said().filter((line) => line.includes(`:${sound?.port}`))).toEqual([]);
  expect(said().filter((line) => line.includes(`:${usual?.port}`))).toEqual([
    expect.stringMatching(/^warning: .*evicts: when its memory \(64 MiB\) is full it drops sessions/),
  ]);
  expect(said().filter((line) => line.includes(`:${small?.port}`))).toEqual([
    expect.stringContaining('gives no list of its keys'),
    expect.stringContaining('takes values of 524288 bytes at most'),
  ]);
  expect(said().filter((line) => line.includes(`:${full?.port}`))).toEqual([
    expect.stringMatching(/has evicted \d+ values/),
  ]);
  await expect(backend.list({ limit: 1 }, signal)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('start it with lru_crawler'),
  });
  await backend.close();
  for (const client of clients) client.shutdown();
  await Promise.all(servers.map((server) => server.stop()));
}, 60_000);

it('what was evicted is gone for good: no later save, touch or end brings it back', async () => {
  const server = await startMemcached({ args: TINY });
  const backend = await connectTo([{ host: server.host, port: server.port }], {
    environment: { ...processEnvironment, log: () => {} },
  });
  const { environment } = own();
  const data = `{"x":"${'x'.repeat(50_000)}"}`;
  const records = Array.from({ length: 400 }, () => makeRecord(environment, { data }));
  for (const record of records) expect(await backend.save(record, signal)).toBe(true);
  const found = await backend.load(
    records.map(({ id }) => id),
    signal,
  );
  const gone = records.filter((_, at) => found[at] === undefined);
  expect(gone.length, 'memory was too small').toBeGreaterThan(10);
  const [record = expect.fail()] = gone;
  expect(await backend.save(nextRecord(environment, record), signal)).toBe(false);
  expect(await backend.touch([{ id: record.id, epoch: 0, seenAt: Date.now() }], signal)).toEqual([record.id]);
  const how = { at: Date.now(), cause: 'logout', by: undefined, keepUntil: Date.now() } as const;
  expect(await backend.end([record.id], how, signal)).toEqual([]);
  expect(await backend.load([record.id], signal)).toEqual([undefined]);
  await backend.close();
  await server.stop();
}, 60_000);

it('a server that was started again is found within a second, and has forgotten everything', async () => {
  const server = await startMemcached({ own: true });
  const backend = await connectTo([{ host: server.host, port: server.port }]);
  const { environment } = own();
  const record = makeRecord(environment);
  await backend.save(record, signal);
  await server.server?.kill();
  await expect(backend.load([record.id], signal)).rejects.toMatchObject({
    code: 'BACKEND_DOWN',
    retryable: true,
  });
  await server.server?.start();
  const back = performance.now();
  await vi.waitFor(async () => expect(await backend.load([record.id], signal)).toEqual([undefined]), 10_000);
  expect(performance.now() - back).toBeLessThan(process.env.SESSIONKIT_LONG === '1' ? 1_000 : 10_000);
  expect(await backend.save(nextRecord(environment, record), signal)).toBe(false);
  await backend.close();
  await server.stop();
}, 30_000);

it('a list that its callers gave up fails for them alone; who comes next has one of his own', async () => {
  const { server, environment } = own();
  const proxy = await FaultProxy.open(server);
  const client = clientOf(proxy.address);
  const backend = memcache(client, { prefix: 'lists:' });
  const { id } = makeRecord(environment);
  await backend.save(makeRecord(environment, { id }), signal);
  proxy.swallow();
  const first = backend.list({ limit: 5 }, AbortSignal.timeout(150));
  const second = backend.list({ limit: 5 }, AbortSignal.timeout(50));
  await expect(second).rejects.toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
  const third = backend.list({ limit: 5 }, signal);
  await expect(first).rejects.toMatchObject({ code: 'BACKEND_FAILED', retryable: true });
  await proxy.pass();
  expect((await third).items.map((head) => head.id)).toEqual([id]);
  // The pages that follow go on in the same dump, without asking for another one.
  const before = proxy.accepted;
  expect((await backend.list({ limit: 5, after: id }, signal)).items).toEqual([]);
  expect(proxy.accepted).toBe(before);
  await backend.close();
  client.shutdown();
  await proxy.close();
});

const transport: Transport = {
  type: 'none',
  ambient: false,
  lenient: false,
  carrier: { requestHeader: 'x-none', responseHeader: 'x-none' },
  vary: 'x-none',
  read: () => [],
  issue: () => [],
  clear: () => [],
  challenge: () => [],
};

it('places per user are refused at the start, with the reason', () => {
  const manager = createSessionManager();
  const service = () =>
    manager.service('shop', {
      backend: own().backend(),
      transports: [transport],
      maxPerUser: { max: 1, full: 'oldest' },
    });
  expect(service).toThrow(/per user|maxPerUser/i);
});
