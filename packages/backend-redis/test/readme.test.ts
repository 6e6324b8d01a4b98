import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as testkit from '@sessionkit/testkit';
import { makeRecord } from '@sessionkit/testkit';
import * as ioredis from 'ioredis';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import * as redis from '../src/index.js';
import { ioredisOptions, signal } from './harness.js';
import { ownServer } from './own-server.js';

const own = ownServer();
const modules = { '@sessionkit/backend-redis': redis, '@sessionkit/testkit': testkit, ioredis };
const text = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const AsyncFunction: FunctionConstructor = Object.getPrototypeOf(async () => {}).constructor;

it('the README shows what its example prints', async () => {
  const [, program = '', answer] = /```js\n(.*?)```\n\n```text\n(.*?)\n```/s.exec(text) ?? [];
  const body = program.replace(
    /^import (\{[^}]*\}) from '([^']+)';$/gm,
    (_, names: string, from: string) => `const ${names} = modules[${JSON.stringify(from)}];`,
  );
  const lines: string[] = [];
  const log = (...values: unknown[]) =>
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  const process = { env: { REDIS_URL: own().server.url } };
  await new AsyncFunction('modules', 'console', 'process', body)(modules, { log }, process);
  expect(program).toContain("from '@sessionkit/backend-redis'");
  expect(lines.join('\n')).toBe(answer);
});

it('the README has the headings that every adapter has', () => {
  expect(text.startsWith('# @sessionkit/backend-redis\n')).toBe(true);
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet']);
});

it('a user with the rights that the README lists can do everything', async () => {
  const rules =
    /`(~PREFIX\*[^`]*)`,\s+and for the scripts `([^`]*)`\. With `durable` also `([^`]*)`/
      .exec(text)
      ?.slice(1)
      .join(' ') ?? expect.fail();
  const { server, environment } = own();
  const words = rules.replaceAll('PREFIX', 'acl:').split(/\s+/);
  expect(await server.ask('ACL', 'SETUSER', 'least', 'on', '>word', ...words)).toBe('+OK\r\n');
  const client = new Redis(server.url, { ...ioredisOptions, username: 'least', password: 'word' });
  await client.connect();
  const backend = redis.redis(client, { prefix: 'acl:', durable: true, log: environment.log });
  const now = await backend.now(signal);
  const heard: unknown[] = [];
  await backend.watch((change) => heard.push(change));
  const record = makeRecord(environment, { user: 'ann' });
  const { id } = record;
  expect(await backend.save(record, signal)).toBe(true);
  const next = testkit.nextRecord(environment, record, { user: 'bob', epoch: 1, killAt: now + 60_000 });
  expect(await backend.save(next, signal)).toBe(true);
  expect(await backend.save(testkit.nextRecord(environment, next, { user: undefined }), signal)).toBe(true);
  expect(await backend.touch([{ id, epoch: 1, seenAt: now + 5 }], signal)).toEqual([]);
  for (let batch = 0; batch < 70; batch++)
    await backend.append({ batchId: `${batch}`, entries: [{ id, at: now, kind: 'log', text: 'x' }] }, signal);
  expect((await backend.read([id], signal))[0]).toHaveLength(70);
  await backend.announce('one', [{ id, process: 'one', since: now, detail: {} }], 5_000, signal);
  expect(await backend.present([id], signal)).toHaveLength(1);
  const claim = { service: 'shop', user: 'bob', at: now, max: 1, full: 'oldest' } as const;
  expect(await backend.claim({ ...claim, id }, signal)).toEqual([]);
  await client.call('ZADD', ['acl:index', '0', `${makeRecord(environment).id} 1`]);
  expect((await backend.list({ limit: 5 }, signal)).items).toHaveLength(1);
  expect(await backend.count({ state: 'open' }, signal)).toBe(1);
  await backend.end([id], { at: now, cause: 'logout', by: undefined, keepUntil: now - 1 }, signal);
  expect(await backend.claim({ ...claim, id: makeRecord(environment).id }, signal)).toEqual([]);
  expect(await backend.sweep(now, 5, signal)).toEqual([id]);
  expect(heard.length).toBeGreaterThan(1);
  expect(environment.entries).toMatchObject([{ message: expect.stringContaining('has no replica') }]);
  await backend.close();
  client.disconnect();
});
