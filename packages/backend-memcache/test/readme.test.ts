import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as testkit from '@sessionkit/testkit';
import * as client from 'memcache-client';
import { expect, it } from 'vitest';
import * as memcache from '../src/index.js';
import { MAX_PREFIX } from '../src/options.js';
import { ownServer } from './harness.js';

const own = ownServer();
const modules = {
  '@sessionkit/backend-memcache': memcache,
  '@sessionkit/testkit': testkit,
  'memcache-client': client,
};
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
  const process = { env: { MEMCACHE_SERVER: `${own().server.host}:${own().server.port}` } };
  await new AsyncFunction('modules', 'console', 'process', body)(modules, { log }, process);
  expect(program).toContain("from '@sessionkit/backend-memcache'");
  expect(lines.join('\n')).toBe(answer);
});

it('the README has the headings that every adapter has', () => {
  expect(text.startsWith('# @sessionkit/backend-memcache\n')).toBe(true);
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet']);
});

it('the README names the longest prefix', () => {
  expect(text).toContain(`at most ${MAX_PREFIX} characters`);
});
