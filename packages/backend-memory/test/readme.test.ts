import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as testkit from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import * as memory from '../src/index.js';

const modules = { '@sessionkit/backend-memory': memory, '@sessionkit/testkit': testkit };
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
  await new AsyncFunction('modules', 'console', body)(modules, { log });
  expect(program).toContain("from '@sessionkit/backend-memory'");
  expect(lines.join('\n')).toBe(answer);
});

it('the README has the headings that every adapter has', () => {
  expect(text.startsWith('# @sessionkit/backend-memory\n')).toBe(true);
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet']);
});
