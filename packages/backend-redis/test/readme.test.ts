import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as testkit from '@sessionkit/testkit';
import * as ioredis from 'ioredis';
import { expect, it } from 'vitest';
import * as redis from '../src/index.js';
import { ownServer } from './own-server.js';
import { everything, expectJustThese, grant, listedRights } from './rights.js';
import { connectBy } from './store-harness.js';

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

it('a user with just the rights that the README lists can do everything, and uses each of them', async () => {
  const { server, client, environment } = own();
  const rules = listedRights('acl:', { cluster: false });
  await grant([server], 'least', rules);
  const login = { url: server.url, username: 'least', password: 'word' };
  const backend = await connectBy(login, { durable: true, environment }, { key_prefix: 'acl:' });
  await everything(backend, environment, {
    forgetScripts: () => server.ask('SCRIPT', 'FLUSH'),
    ghost: (entry) => client.zadd('acl:index', '0', entry),
  });
  await backend.close();
  expect(environment.entries).toMatchObject([{ message: expect.stringContaining('has no replica') }]);
  await expectJustThese([server], rules);
});
