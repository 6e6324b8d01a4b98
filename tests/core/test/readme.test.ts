import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import { join } from 'node:path';
import * as memory from '@sessionkit/backend-memory';
import * as httpNode from '@sessionkit/http-node';
import * as core from '@sessionkit/session-core';
import * as bearer from '@sessionkit/transport-bearer';
import { expect, it } from 'vitest';
import * as zod from 'zod';

const modules: Readonly<Record<string, object>> = {
  'node:http': http,
  '@sessionkit/backend-memory': memory,
  '@sessionkit/http-node': httpNode,
  '@sessionkit/session-core': core,
  '@sessionkit/transport-bearer': bearer,
  zod,
};
const AsyncFunction: FunctionConstructor = Object.getPrototypeOf(async () => {}).constructor;

it('the README of session-core shows what its examples print', async () => {
  const path = join(import.meta.dirname, '..', '..', '..', 'packages', 'session-core', 'README.md');
  const examples = [...readFileSync(path, 'utf8').matchAll(/```js\n(.*?)```\n\n```text\n(.*?)\n```/gs)];
  expect(examples).toHaveLength(2);
  for (const [, program = '', said] of examples) {
    const body = program.replace(
      /^import (\{[^}]*\}) from '([^']+)';$/gm,
      (_, names: string, name: string) => `const ${names} = modules[${JSON.stringify(name)}];`,
    );
    const lines: string[] = [];
    const log = (...values: unknown[]) => lines.push(values.join(' '));
    await new AsyncFunction('modules', 'console', body)(modules, { log });
    expect(lines.join('\n')).toBe(said);
  }
});
