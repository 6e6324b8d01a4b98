import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { type RedisCluster, startRedisCluster } from '@sessionkit/test-stores/redis-cluster';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import slotOf from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IoRedisCluster, type RedisOptions, redis } from '../src/index.js';
import { signal } from './harness.js';
import { clusterSection } from './many-harness.js';
import { everything, expectJustThese, grant, listedRights } from './rights.js';
import { connectBy } from './store-harness.js';

/** As the README tells an application to make it. */
const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  redisOptions: { autoResendUnfulfilledCommands: false },
} as const;

const environment = testEnvironment({ start: Date.now(), random: 'real' });
const make = (members?: Partial<SessionRecord>) => makeRecord(environment, members);
const ending = () => {
  const at = environment.now();
  return { at, cause: 'logout', by: undefined, keepUntil: at + 60_000 } as const;
};

let cluster: RedisCluster;
let client: Cluster;
beforeAll(async () => {
  // Nobody takes over here: what is down stays down.
  cluster = await startRedisCluster({ replicas: 0 });
  client = new Cluster(
    cluster.nodes.map(({ host, port }) => ({ host, port })),
    options,
  );
  client.on('error', () => {});
  await client.connect();
}, 300_000);
afterAll(async () => {
  client?.disconnect();
  await cluster?.stop();
});

const backendWith = (given: RedisOptions = {}) => redis(client, { log: environment.log, ...given });

describe('a Cluster client that would queue, resend or read from replicas', () => {
  it.each([
    [{}, ['enableOfflineQueue: false', 'retryDelayOnFailover: 0', 'retryDelayOnClusterDown: 0']],
    [{ ...options, redisOptions: {} }, ['redisOptions.autoResendUnfulfilledCommands: false']],
    [{ ...options, scaleReads: 'slave' }, ['scaleReads: "master"']],
    [{ ...options, keyPrefix: 'x:' }, ['no keyPrefix']],
  ] as const)('of ioredis with %j is refused, the options named', (given, named) => {
    const made = new Cluster([{ host: '127.0.0.1', port: 1 }], { ...given, lazyConnect: true });
    for (const name of named) expect(() => redis(made)).toThrow(name);
    expect(() => redis(made)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    made.disconnect();
  });

  it('of node-redis is refused', () => {
    const made = createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] });
    expect(() => redis(made as never)).toThrow('use a Cluster of ioredis');
  });
});

/** The client, and how often somebody waited for it: commands that leave together are waited for once. */
function counting(): { readonly client: IoRedisCluster; waits: number; commands: number } {
  let waiting = 0;
  const counted = {
    waits: 0,
    commands: 0,
    client: {
      options: client.options,
      status: 'ready',
      slots: client.slots,
      nodes: (role: 'master' | 'all') => client.nodes(role),
      on: () => undefined,
      off: () => undefined,
      async call(command: string, args: string[]) {
        counted.commands++;
        if (waiting++ === 0) counted.waits++;
        return client.call(command, args).finally(() => waiting--);
      },
    },
  };
  return counted;
}

it('two backends on one client that has just become ready wait for its connections, each of them', async () => {
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const fresh = new Cluster(nodes, options);
  try {
    await fresh.connect();
    const backends = ['one:', 'two:'].map((prefix) => redis(fresh, { prefix, log: environment.log }));
    const saves = backends.flatMap((backend) =>
      Array.from({ length: 8 }, () => backend.save(make(), signal)),
    );
    expect(await Promise.all(saves)).toEqual(Array.from({ length: 16 }, () => true));
  } finally {
    fresh.disconnect();
  }
});

it('each verb costs the round trips that it should', { timeout: 60_000 }, async () => {
  const counted = counting();
  const backend = redis(counted.client, { prefix: 'costs:' });
  const now = await backend.now(signal);
  const records = Array.from({ length: 500 }, (_, n) => make({ user: `user${n % 50}` }));
  for (let n = 0; n < 500; n += 100)
    await Promise.all(records.slice(n, n + 100).map((record) => backend.save(record, signal)));
  const ids = records.map(({ id }) => id);
  const [first = make(), second = make()] = records;
  const guest = make();
  await backend.save(guest, signal);
  const login = { user: 'new', epoch: 1 };
  const touches = ids.map((id) => ({ id, epoch: 0, seenAt: now + 60_000 }));
  const claim = { service: 'shop', user: 'zoe', at: now, max: 3, full: 'refuse' } as const;
  const entries = ids.slice(0, 50).map((id) => ({ id, at: 1, kind: 'log', text: '' }) as const);
  const verbs: Record<string, readonly [() => Promise<unknown>, number]> = {
    'load of 1': [() => backend.load([first.id], signal), 1],
    'load of 50': [() => backend.load(ids.slice(0, 50), signal), 1],
    'save (new)': [() => backend.save(make({ user: 'ann' }), signal), 2],
    save: [() => backend.save(nextRecord(environment, first, { data: '{"n":1}' }), signal), 1],
    'save (other user)': [() => backend.save(nextRecord(environment, second, login), signal), 4],
    'save (login, ends later)': [
      () => backend.save(nextRecord(environment, guest, { ...login, endsAt: guest.endsAt + 1 }), signal),
      3,
    ],
    'touch of 500': [() => backend.touch(touches, signal), 1],
    'end of 50': [() => backend.end(ids.slice(100, 150), ending(), signal), 3],
    now: [() => backend.now(signal), 1],
    'list, page of 20': [() => backend.list({ limit: 20 }, signal), 2],
    count: [() => backend.count({ service: 'shop' }, signal), 1],
    claim: [() => backend.claim({ ...claim, id: make().id }, signal), 2],
    'append to 50': [() => backend.append({ batchId: 'b', entries }, signal), 1],
    'read of 50': [() => backend.read(ids.slice(0, 50), signal), 1],
    announce: [() => backend.announce('one', [], 5_000, signal), 1],
    'present of 1': [() => backend.present([first.id], signal), 2],
  };
  const lines = ['redis cluster: round trips per verb, and commands, one for each slot'];
  const found: Record<string, number> = {};
  for (const [verb, [task]] of Object.entries(verbs)) {
    counted.waits = 0;
    counted.commands = 0;
    await task();
    found[verb] = counted.waits;
    lines.push(`  ${verb.padEnd(20)} ${counted.waits}   ${counted.commands}`);
  }
  print(lines.join('\n'));
  expect(found).toEqual(
    Object.fromEntries(Object.entries(verbs).map(([verb, [, wanted]]) => [verb, wanted])),
  );
  await backend.close();
});

it.each([
  ['is followed, while it moves and afterwards', false],
  ['is followed when it has moved, where saves are durable', true],
])('a session whose slot moves %s, and each save counts once', async (_, durable) => {
  const backend = backendWith({ prefix: 'moving:', durable });
  const record = make();
  await backend.save(record, signal);
  const key = `moving:{${record.id}}`;
  const slot = `${slotOf(key)}`;
  const masters = await cluster.masters();
  const holds = await Promise.all(masters.map(async (node) => (await node.ask('EXISTS', key)) === ':1\r\n'));
  const [from, to] = [masters[holds.indexOf(true)], masters[holds.indexOf(false)]];
  if (from === undefined || to === undefined) throw new Error('no two masters');
  const idOf = async (node: typeof from) => /[0-9a-f]{40}/.exec(await node.ask('CLUSTER', 'MYID'))?.[0] ?? '';
  await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
  await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to));
  expect(await from.ask('MIGRATE', to.host, `${to.port}`, key, '0', '1000')).toBe('+OK\r\n');

  const second = nextRecord(environment, record, { data: '{"n":2}' });
  const meanwhile = backend.save(second, signal);
  if (durable) await expect(meanwhile).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  else expect(await meanwhile).toBe(true);
  for (const node of masters) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', await idOf(to));
  if (durable) expect(await backend.save(second, signal)).toBe(true);
  const third = nextRecord(environment, second, { data: '{"n":3}' });
  expect(await backend.save(third, signal)).toBe(true);
  expect(await backend.save(third, signal)).toBe(true);
  expect(await backend.load([record.id], signal)).toMatchObject([{ version: 3, data: '{"n":3}' }]);
  expect(await to.ask('EXISTS', key)).toBe(':1\r\n');
  expect(await backend.end([record.id], ending(), signal)).toEqual([record.id]);
  await backend.close();
});

it('each server is given the scripts, and given them again when it has lost them', async () => {
  const backend = backendWith({ prefix: 'taught:' });
  await backend.now(signal);
  for (const node of cluster.nodes) await node.ask('CONFIG', 'RESETSTAT');
  const records = Array.from({ length: 30 }, () => make());
  await Promise.all(records.map((record) => backend.save(record, signal)));
  const called = async () => {
    const stats = await Promise.all(cluster.nodes.map((node) => node.ask('INFO', 'commandstats')));
    return stats.map((text) => Number(/cmdstat_eval:calls=(\d+)/.exec(text)?.[1] ?? 0));
  };
  expect(await called()).toEqual([0, 0, 0]);
  for (const node of cluster.nodes) await node.ask('SCRIPT', 'FLUSH');
  const next = records.map((record) => nextRecord(environment, record, { data: '{"n":2}' }));
  expect(new Set(await Promise.all(next.map((record) => backend.save(record, signal))))).toEqual(
    new Set([true]),
  );
  expect((await called()).every((count) => count > 0)).toBe(true);
  await backend.close();
});

it('a user with just the rights that the README lists for a Cluster can do everything there, and uses each of them', async () => {
  const rules = listedRights('acl:', { cluster: true });
  await grant(cluster.nodes, 'least', rules);
  const section = { ...clusterSection(cluster), username: 'least', password: 'word' };
  const backend = await connectBy(section, { durable: true, environment }, { key_prefix: 'acl:' });
  await everything(backend, environment, {
    forgetScripts: () => Promise.all(cluster.nodes.map((node) => node.ask('SCRIPT', 'FLUSH'))),
    ghost: (entry) => client.zadd('acl:index', '0', entry),
  });
  await backend.close();
  const faults = environment.entries.filter(({ message }) => !message.includes('has no replica'));
  expect(faults).toEqual([]);
  // Sent to replicas, of which there are none here, and while a slot moves.
  await expectJustThese(cluster.nodes, rules, ['readonly', 'readwrite', 'asking']);
});

it('servers without memory go on touching, ending and sweeping', async () => {
  const backend = backendWith({ prefix: 'full:' });
  const now = environment.now();
  const old = { startedAt: now - 90_000, idle: 1_000 };
  const [dead, used, living] = [make(old), make(old), make({ user: 'ann' })];
  for (const record of [dead, used, living]) await backend.save(record, signal);
  const limited = (bytes: string) =>
    Promise.all(cluster.nodes.map((node) => node.ask('CONFIG', 'SET', 'maxmemory', bytes)));
  await limited('1');
  try {
    await expect(backend.save(make(), signal)).rejects.toMatchObject({ code: 'BACKEND_FULL' });
    expect(await backend.touch([{ id: used.id, epoch: 0, seenAt: now }], signal)).toEqual([]);
    expect(await backend.end([living.id], ending(), signal)).toEqual([living.id]);
    expect(await backend.sweep(now, 9, signal)).toEqual([dead.id]);
  } finally {
    await limited('0');
  }
  await backend.close();
});

describe('with one of three masters down', () => {
  /** Whether a master that is up holds a key, which need not be there. */
  const isUp = async (key: string, down: number) => {
    const replies = await Promise.all(
      cluster.nodes.map((node, at) => (at === down ? '-MOVED' : node.ask('EXISTS', key))),
    );
    return replies.some((reply) => !reply.startsWith('-MOVED'));
  };

  it('the others serve: what is there is there, what cannot be known is a fault and never "not there"', {
    timeout: 60_000,
  }, async () => {
    const [, , last] = cluster.nodes;
    const down = 2;
    // Indexes on servers that stay up, so that it is the sessions that are looked at.
    let prefix = '';
    for (let n = 0; prefix === ''; n++) {
      const keys = ['index', 'index:service:shop', 'ended', 'ended:service:shop', 'due'];
      const fits = await Promise.all(keys.map((key) => isUp(`p${n}:${key}`, down)));
      if (fits.every(Boolean)) prefix = `p${n}:`;
    }
    const backend = backendWith({ prefix });
    const there: SessionRecord[] = [];
    const gone: SessionRecord[] = [];
    while (there.length < 20 || gone.length < 20) {
      const record = make();
      await backend.save(record, signal);
      ((await isUp(`${prefix}{${record.id}}`, down)) ? there : gone).push(record);
    }
    const all = [...there, ...gone];
    const ids = all.map(({ id }) => id);
    await last?.server.kill();

    const loaded = await backend.load(ids, signal);
    for (const [at, found] of loaded.entries()) {
      if (at < there.length) expect(found).toMatchObject({ id: ids[at] });
      else expect(found).toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
    }
    await expect(backend.load([gone[0]?.id ?? there[0]?.id ?? make().id], signal)).rejects.toMatchObject({
      code: 'BACKEND_DOWN',
    });

    const never = make().id;
    const seenAt = environment.now() + 5_000;
    const touches = [...ids, never].sort().map((id) => ({ id, epoch: 0, seenAt }));
    const missed = await backend.touch(touches, signal);
    expect(missed).toEqual((await isUp(`${prefix}{${never}}`, down)) ? [never] : []);
    const goneTouches = gone.map(({ id }) => ({ id, epoch: 0, seenAt }));
    await expect(backend.touch(goneTouches, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
    const [touched] = await backend.load([there[0]?.id ?? never], signal);
    expect(touched).toMatchObject({ seenAt });

    // None of those who ask may believe that all have ended; nor may a list be short, or a user get more places.
    const fault = { code: 'BACKEND_DOWN', retryable: true };
    await expect(backend.end(ids, ending(), signal)).rejects.toMatchObject(fault);
    await expect(backend.list({ limit: 100 }, signal)).rejects.toMatchObject(fault);
    await expect(backend.read(ids, signal)).rejects.toMatchObject(fault);
    for (const record of gone.slice(0, 3))
      await expect(backend.save(nextRecord(environment, record), signal)).rejects.toMatchObject(fault);
    const [one = make()] = there;
    expect(await backend.end([one.id], ending(), signal)).toEqual([one.id]);

    await last?.server.start();
    await expect
      .poll(
        () => backend.load(ids, signal).then((found) => found.some((each) => each instanceof SessionError)),
        {
          timeout: 10_000,
        },
      )
      .toBe(false);
    await backend.close();
  });
});
