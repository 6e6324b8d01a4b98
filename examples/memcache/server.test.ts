import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { browser, type RunningExample, replayed, startExample } from '@sessionkit/test-stores/example';
import { type MemcachedServer, startMemcached } from '@sessionkit/test-stores/memcached';
import { afterAll, beforeAll, expect, it } from 'vitest';

const folder = import.meta.dirname;
let server: MemcachedServer;
let one: RunningExample;
let two: RunningExample;

beforeAll(async () => {
  server = await startMemcached({ own: true });
  const env = { MEMCACHE_URL: server.url };
  [one, two] = await Promise.all([startExample(folder, env), startExample(folder, env)]);
}, 300_000);
afterAll(async () => {
  expect(await Promise.all([one?.stop(), two?.stop()])).toEqual([0, 0]);
  await server?.stop();
}, 60_000);

it('answers what its README says, from two processes on one memcached', async () => {
  const { shown, answered } = await replayed(folder, [one.url, two.url]);
  expect(shown.length).toBeGreaterThan(4);
  expect(answered).toEqual(shown);
});

it('loses no visit when both processes serve one session at once, and shows it under its key', async () => {
  const visit = browser();
  expect((await visit(`${one.url}/login?user=bob`, 'POST')).body).toBe('bob, visit 1\n');
  await Promise.all(Array.from({ length: 20 }, (_, n) => visit(n % 2 === 0 ? one.url : two.url)));
  expect((await visit(two.url)).body).toBe('bob, visit 22\n');
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const [, command = ''] = /printf '(get \S+) /.exec(readme) ?? [];
  const ids = [...(await server.keys()).matchAll(/^key=shop%3A(s\w{26}) /gm)].map(([, id]) => id);
  const values = await Promise.all(ids.map((id) => server.ask(command.replace('ID', `${id}`))));
  const lines = values.map((value) => value.split(/\r?\n/));
  const found = lines.find((each) => each[1]?.includes('"bob"')) ?? expect.fail('it is not there');
  expect(JSON.parse(found[1] ?? '')).toMatchObject({ user: 'bob', ip: '127.0.0.1' });
  expect(JSON.parse(found.slice(2, found.indexOf('END')).join(''))).toEqual({ visits: 22 });
});

it('starts while memcached is away, answers 503, and serves when it is back, without those whom it has forgotten', async () => {
  const visit = browser();
  expect((await visit(`${one.url}/login?user=dora`, 'POST')).body).toBe('dora, visit 1\n');
  await server.server?.kill();
  const late = await startExample(folder, { MEMCACHE_URL: server.url });
  expect((await visit(`${late.url}/`)).status).toBe(503);
  await server.server?.start();
  await expect
    .poll(async () => (await visit(`${late.url}/`)).body, { timeout: 10_000 })
    .not.toContain('dora');
  await expect
    .poll(async () => (await visit(`${late.url}/login?user=cleo`, 'POST')).status, { timeout: 10_000 })
    .toBe(200);
  expect(await late.stop()).toBe(0);
}, 60_000);
