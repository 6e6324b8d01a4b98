import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as testkit from '@sessionkit/testkit';
import * as driver from 'couchbase';
import { expect, it } from 'vitest';
import * as backend from '../src/index.js';
import { FIELDS, LEVELS } from '../src/options.js';
import { startPlace } from './store.js';

const place = await startPlace();
const modules = {
  '@sessionkit/backend-couchbase': backend,
  '@sessionkit/testkit': testkit,
  couchbase: driver,
};
const text = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const AsyncFunction: FunctionConstructor = Object.getPrototypeOf(async () => {}).constructor;

it('the README shows what its example prints', async () => {
  const [, program = '', answer] = /```js\n(.*?)```\n\n```text\n(.*?)\n```/s.exec(text) ?? [];
  const body = program
    .replace(
      /^import (\{[^}]*\}) from '([^']+)';$/gm,
      (_, names: string, from: string) => `const ${names} = modules[${JSON.stringify(from)}];`,
    )
    .replace(`bucket('sessionkit')`, `bucket(${JSON.stringify(place.bucket)})`);
  const lines: string[] = [];
  const log = (...values: unknown[]) =>
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  const env = {
    COUCHBASE_URL: place.url,
    COUCHBASE_USER: place.user,
    COUCHBASE_PASSWORD: place.password,
  };
  await new AsyncFunction('modules', 'console', 'process', body)(modules, { log }, { env });
  expect(program).toContain("from '@sessionkit/backend-couchbase'");
  expect(lines.join('\n')).toBe(answer);
});

it('the README has the headings that every adapter has', () => {
  expect(text.startsWith('# @sessionkit/backend-couchbase\n')).toBe(true);
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet']);
});

it('the README names every field and every level, and says on what the backend was proved', () => {
  for (const [field, name] of Object.entries(FIELDS))
    expect(text).toMatch(new RegExp(`\\| \`names.${field}\` *\\| \`fields.${field}\` .*\`${name}\``));
  for (const level of LEVELS) expect(text).toContain(`\`${level}\``);
  expect(text).toContain('**Proved on a double of the server, not on a real cluster**');
});
