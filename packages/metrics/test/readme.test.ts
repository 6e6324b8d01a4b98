import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as memory from '@sessionkit/backend-memory';
import * as core from '@sessionkit/session-core';
import * as cookie from '@sessionkit/transport-cookie';
import { expect, it } from 'vitest';
import * as metrics from '../src/index.js';

const modules = {
  '@sessionkit/backend-memory': memory,
  '@sessionkit/metrics': metrics,
  '@sessionkit/session-core': core,
  '@sessionkit/transport-cookie': cookie,
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
  const print = (...values: unknown[]) =>
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  await new AsyncFunction('modules', 'console', body)(modules, { log: print });
  expect(program).toContain("from '@sessionkit/metrics'");
  expect(lines.join('\n')).toBe(answer);
});
