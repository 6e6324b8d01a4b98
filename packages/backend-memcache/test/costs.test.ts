import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecret, hashSecret, type SessionRecord } from '@sessionkit/session-core';
import { print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import type { MemcacheBackend } from '../src/index.js';
import { ownServer, signal } from './harness.js';

const own = ownServer(['-m', '256']);
const make = (members?: Partial<SessionRecord>) => makeRecord(own().environment, members);

async function stored(
  backend: MemcacheBackend,
  count: number,
  members: (n: number) => Partial<SessionRecord>,
) {
  const records = Array.from({ length: count }, (_, n) => make(members(n)));
  for (let n = 0; n < count; n += 100)
    await Promise.all(records.slice(n, n + 100).map((record) => backend.save(record, signal)));
  return records;
}

/** Keys that were read, values that were stored and keys that were touched while `task` ran, as `stats` counts them, and the connections that were made. */
async function cost(task: () => Promise<unknown>): Promise<string> {
  const { server } = own();
  const before = await server.stats();
  await task();
  const after = await server.stats();
  const counted = ['cmd_get', 'cmd_set', 'cmd_touch', 'delete_hits', 'total_connections'] as const;
  const more = counted.map((name) => [name, Number(after[name]) - Number(before[name])] as const);
  // The one that asks the second time.
  return more
    .map(([name, count]) => [name, name === 'total_connections' ? count - 1 : count] as const)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name.replace(/^cmd_|^total_|_hits$/g, '')}`)
    .join(' + ');
}

it('each verb costs what it should, counted in the server', { timeout: 60_000 }, async () => {
  const backend = own().backend();
  const { environment } = own();
  const now = environment.now();
  const records = await stored(backend, 1_000, (n) => ({ user: `user${n % 100}` }));
  const ids = records.map(({ id }) => id);
  const [first = make(), second = make(), third = make()] = records;
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now + 60_000 } as const;
  const later = (count: number) => ids.slice(0, count).map((id) => ({ id, epoch: 0, seenAt: now + 1 }));
  const entry = { id: first.id, at: 1, kind: 'log', text: '' } as const;
  const links = [{ id: first.id, process: 'one', since: now, detail: {} }];
  const absent = Array.from({ length: 100 }, () => make().id);
  const verbs: Record<string, readonly [() => Promise<unknown>, string]> = {
    'load of 1': [() => backend.load([first.id], signal), '2 get'],
    'load of 50': [() => backend.load(ids.slice(0, 50), signal), '100 get'],
    'save (new)': [() => backend.save(make(), signal), '2 set'],
    save: [() => backend.save(nextRecord(environment, second, { data: '{"n":1}' }), signal), '2 get + 1 set'],
    'save, repeated': [() => backend.save(third, signal), '2 get + 2 set'],
    'touch of 500': [() => backend.touch(later(500), signal), '1000 get + 500 set + 500 touch'],
    'touch of 500 that moves nothing': [() => backend.touch(later(500), signal), '1000 get'],
    'end of 1': [() => backend.end(ids.slice(9, 10), how, signal), '2 get + 1 set'],
    'end of 100 that are gone': [() => backend.end(absent, how, signal), '200 get'],
    'list, page of 20': [() => backend.list({ limit: 20 }, signal), '42 get + 1 connections'],
    'list, next page': [() => backend.list({ limit: 20, after: ids.sort()[50] }, signal), '42 get'],
    'list of a user': [() => backend.list({ limit: 20, user: 'user7' }, signal), '2002 get + 1 connections'],
    count: [() => backend.count({}, signal), '1 connections'],
    'count of open ones': [() => backend.count({ state: 'open' }, signal), '2002 get + 1 connections'],
    'append to 1': [() => backend.append({ batchId: 'b', entries: [entry] }, signal), '2 get + 1 set'],
    'read of 1': [() => backend.read([first.id], signal), '1 get'],
    'announce, first': [() => backend.announce('one', links, 5_000, signal), '1 get + 2 set'],
    announce: [() => backend.announce('one', links, 5_000, signal), '1 get + 1 set'],
    'present of 1': [() => backend.present([first.id], signal), '2 get'],
    now: [() => backend.now(signal), ''],
  };
  const lines = [
    'memcached: keys read, stored and touched per verb, and connections made, as stats counts them',
  ];
  const found: Record<string, string> = {};
  for (const [verb, [task]] of Object.entries(verbs)) {
    found[verb] = await cost(task);
    lines.push(`  ${verb.padEnd(34)} ${found[verb]}`);
  }
  print(lines.join('\n'));
  expect(found).toEqual(
    Object.fromEntries(Object.entries(verbs).map(([verb, [, wanted]]) => [verb, wanted])),
  );
});

it('lists that are asked for while a dump is under way share the next one', { timeout: 60_000 }, async () => {
  const backend = own().backend();
  const counts = () => Promise.all(Array.from({ length: 50 }, () => backend.count({}, signal)));
  // One for who came first, one for all who came while it was under way; a third where the server was busy.
  expect(await cost(counts)).toMatch(/^[12345] connections$/);
});

it('the memory that a session takes is told', { timeout: 60_000 }, async () => {
  const backend = own().backend({ prefix: 'sized:' });
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const said = Number(/session takes some (\d+) bytes and its data/.exec(readme)?.[1]);
  const used = async () => Number((await own().server.stats()).bytes);
  const lines = [];
  for (const bytes of [0, 900]) {
    const count = 2_000;
    const before = await used();
    const secretHash = hashSecret(createSecret(own().environment));
    await stored(backend, count, (n) => ({
      user: `user${n}-${bytes}@example.com`,
      secretHash,
      data: bytes === 0 ? '{}' : `{"n":"${'x'.repeat(bytes - 8)}"}`,
    }));
    const each = Math.round(((await used()) - before) / count);
    lines.push(
      `memcached: a session with ${bytes} bytes of data takes ${each} bytes of memory, its last use included`,
    );
    expect(Math.abs(each - bytes - said), 'what the README says').toBeLessThan(said / 10);
  }
  print(lines.join('\n'));
});
