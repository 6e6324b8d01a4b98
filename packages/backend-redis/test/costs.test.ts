import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecret, hashSecret, type SessionRecord } from '@sessionkit/session-core';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import type { RedisBackend } from '../src/index.js';
import { signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();
const make = (members?: Partial<SessionRecord>) => makeRecord(own().environment, members);

async function stored(backend: RedisBackend, count: number, members: (n: number) => Partial<SessionRecord>) {
  const records = Array.from({ length: count }, (_, n) => make(members(n)));
  for (let n = 0; n < count; n += 100)
    await Promise.all(records.slice(n, n + 100).map((record) => backend.save(record, signal)));
  return records;
}

/** Commands that clients sent while `task` ran; and `INFO commandstats`, which counts those inside scripts too. */
async function costs(task: () => Promise<unknown>) {
  const { server } = own();
  await server.ask('CONFIG', 'RESETSTAT');
  const monitor = await own().client.monitor();
  const seen = new Map<string, number>();
  monitor.on('monitor', (_, [name = '']: string[], source: string) => {
    if (source !== 'lua') seen.set(name.toLowerCase(), (seen.get(name.toLowerCase()) ?? 0) + 1);
  });
  await task();
  // The monitor hears in order: what came before this has been heard with it.
  const heard = new Promise((resolve) =>
    monitor.on('monitor', (_, [name]: string[]) => name === 'ECHO' && resolve(name)),
  );
  await server.ask('ECHO', 'over');
  await heard;
  monitor.disconnect();
  const counted = new Map(Object.entries(await server.calls()));
  for (const ours of ['echo', 'quit', 'config|resetstat', 'monitor', 'info', 'hello']) {
    seen.delete(ours);
    counted.delete(ours);
  }
  return { sent: told(seen), counted: told(counted) };
}

function told(calls: ReadonlyMap<string, number>): string {
  return [...calls].map(([name, count]) => (count === 1 ? name : `${count} ${name}`)).join(' + ');
}

const sent = async (task: () => Promise<unknown>) => (await costs(task)).sent;

it('each verb costs the commands that it should, counted in the server', { timeout: 60_000 }, async () => {
  const backend = own().backend();
  const { environment } = own();
  const now = environment.now();
  // Gives the store the scripts.
  await backend.now(signal);
  const records = await stored(backend, 1_000, (n) => ({ user: `user${n % 100}` }));
  const ids = records.map(({ id }) => id);
  const [first = make(), second = make()] = records;
  const [guest = make()] = await stored(backend, 1, () => ({}));
  const login = { user: 'new', epoch: 1 };
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now + 60_000 } as const;
  const touches = ids.slice(0, 500).map((id) => ({ id, epoch: 0, seenAt: now + 1 }));
  const claim = { service: 'shop', user: 'zoe', at: now, max: 3, full: 'refuse' } as const;
  const links = [{ id: first.id, process: 'one', since: now, detail: {} }];
  const verbs: Record<string, readonly [() => Promise<unknown>, string]> = {
    'load of 1': [() => backend.load([first.id], signal), 'hmget'],
    'load of 50': [() => backend.load(ids.slice(0, 50), signal), 'evalsha'],
    'save (new)': [() => backend.save(make(), signal), '4 evalsha'],
    'save (new, with a user)': [() => backend.save(make({ user: 'ann' }), signal), '5 evalsha'],
    save: [() => backend.save(nextRecord(environment, first, { data: '{"n":1}' }), signal), 'evalsha'],
    'save (other user)': [
      () => backend.save(nextRecord(environment, second, login), signal),
      '3 evalsha + zremrangebylex',
    ],
    'save (login, ends later)': [
      () => backend.save(nextRecord(environment, guest, { ...login, endsAt: guest.endsAt + 1 }), signal),
      '6 evalsha',
    ],
    'touch of 500': [() => backend.touch(touches, signal), 'evalsha'],
    'end of 1': [() => backend.end([ids[9] ?? first.id], how, signal), 'hmget + 5 evalsha'],
    'end of 100, dead already': [
      () =>
        backend.end(
          [...Array(100)].map(() => make().id),
          how,
          signal,
        ),
      'evalsha',
    ],
    now: [() => backend.now(signal), 'time'],
    'list, page of 20': [() => backend.list({ limit: 20 }, signal), 'zrangebylex + evalsha'],
    'list of a user': [() => backend.list({ limit: 20, user: 'user7' }, signal), 'zrangebylex + evalsha'],
    count: [() => backend.count({ service: 'shop' }, signal), 'zlexcount'],
    'count of open ones': [() => backend.count({ state: 'open' }, signal), '2 zlexcount'],
    claim: [() => backend.claim({ ...claim, id: make().id }, signal), '2 evalsha + zrangebylex'],
    'append to 1': [
      () =>
        backend.append({ batchId: 'b', entries: [{ id: first.id, at: 1, kind: 'log', text: '' }] }, signal),
      'evalsha',
    ],
    'read of 1': [() => backend.read([first.id], signal), 'zrangebyscore'],
    announce: [() => backend.announce('one', links, 5_000, signal), 'zremrangebyscore + 2 evalsha'],
    'present of 1': [() => backend.present([first.id], signal), 'zrangebyscore + hmget'],
    'sweep of nothing': [() => backend.sweep(0, 10, signal), '2 evalsha + zrangebyscore'],
  };
  const lines = [
    'redis: commands per verb, as sent, and as INFO commandstats counts them with those inside scripts',
  ];
  const found: Record<string, string> = {};
  for (const [verb, [task]] of Object.entries(verbs)) {
    const cost = await costs(task);
    found[verb] = cost.sent;
    lines.push(`  ${verb.padEnd(24)} ${cost.sent.padEnd(34)} ${cost.counted}`);
  }
  print(lines.join('\n'));
  expect(found).toEqual(
    Object.fromEntries(Object.entries(verbs).map(([verb, [, wanted]]) => [verb, wanted])),
  );
  const calls = await own().server.calls();
  expect(Object.keys(calls).filter((name) => /^(scan|keys|hscan|sscan|zscan|randomkey)$/.test(name))).toEqual(
    [],
  );
});

describe('with 10,000 sessions', () => {
  it('a page, wherever it begins, costs no more than with 1,000; so does a count', {
    timeout: 60_000,
  }, async () => {
    const backend = own().backend({ prefix: 'many:' });
    await backend.now(signal);
    const records = await stored(backend, 10_000, (n) => ({
      service: n % 2 === 0 ? 'shop' : 'bank',
      user: `u${n % 2_000}`,
    }));
    const ids = records.map(({ id }) => id).sort();
    const { startedAt } = make();
    expect(await sent(() => backend.list({ limit: 50, after: ids[5_000], service: 'shop' }, signal))).toBe(
      'zrangebylex + evalsha',
    );
    expect(await sent(() => backend.list({ limit: 50, user: 'u7', state: 'open' }, signal))).toBe(
      'zrangebylex + evalsha',
    );
    expect(
      await sent(() => backend.count({ service: 'bank', startedBefore: startedAt + 120_000 }, signal)),
    ).toBe('zlexcount + zrangebylex');
    expect(await backend.count({ service: 'bank' }, signal)).toBe(5_000);
  });
});

it('a page of living sessions passes over the ended ones in front of them, many at a time and unread', async () => {
  const { environment } = own();
  const backend = own().backend({ prefix: 'ended:' });
  await backend.now(signal);
  const over = await stored(backend, 1_200, () => ({}));
  const at = environment.now();
  const how = { at, cause: 'logout', by: undefined, keepUntil: at + 60_000 } as const;
  await backend.end(
    over.map(({ id }) => id),
    how,
    signal,
  );
  await environment.advance(1);
  const living = await stored(backend, 20, () => ({}));
  const { sent, counted } = await costs(async () => {
    const { items } = await backend.list({ limit: 20, state: 'open' }, signal);
    expect(items.map(({ id }) => id)).toEqual(living.map(({ id }) => id).sort());
  });
  expect(sent).toBe('7 zrangebylex + 7 evalsha');
  expect(counted).toMatch(/(^|\+ )20 hmget( |$)/);
});

it('the memory that a session takes is told', { timeout: 60_000 }, async () => {
  const backend = own().backend({ prefix: 'sized:' });
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const said =
    /without data takes about ([\d.]+) kB of memory, one with 0\.9 kB of data about ([\d.]+) kB/.exec(readme);
  const used = async () => Number(/used_memory:(\d+)/.exec(await own().server.ask('INFO', 'memory'))?.[1]);
  const lines = [];
  for (const [at, bytes] of [0, 900].entries()) {
    const count = 5_000;
    const before = await used();
    const secretHash = hashSecret(createSecret(own().environment));
    await stored(backend, count, (n) => ({
      user: `user${n}-${bytes}@example.com`,
      secretHash,
      data: bytes === 0 ? '{}' : `{"n":"${'x'.repeat(bytes - 8)}"}`,
    }));
    const each = Math.round(((await used()) - before) / count);
    lines.push(
      `redis: a session with ${bytes} bytes of data takes ${each} bytes of memory, its indexes included`,
    );
    const inReadme = Number(said?.[at + 1]) * 1_000;
    expect(Math.abs(each - inReadme), 'what the README says').toBeLessThan(inReadme / 10);
  }
  print(lines.join('\n'));
});
