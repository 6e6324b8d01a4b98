import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import { join } from 'node:path';
import { inspect } from 'node:util';
import * as memory from '@sessionkit/backend-memory';
import * as httpNode from '@sessionkit/http-node';
import * as core from '@sessionkit/session-core';
import * as testkit from '@sessionkit/testkit';
import * as bearer from '@sessionkit/transport-bearer';
import * as cookie from '@sessionkit/transport-cookie';
import * as token from '@sessionkit/transport-token';
import { describe, expect, it } from 'vitest';

const modules: Record<string, object> = {
  '@sessionkit/transport-bearer': bearer,
  '@sessionkit/transport-cookie': cookie,
  '@sessionkit/transport-token': token,
};

const headings = ['Use', 'YAML', 'Options', 'Behaviour', 'Not here yet'];

const AsyncFunction: FunctionConstructor = Object.getPrototypeOf(async () => {}).constructor;

/** Runs a program of a README with the sources of these packages; answers what it prints. */
async function printedBy(program: string, from: Readonly<Record<string, object>>): Promise<string> {
  const body = program.replace(
    /^import (\{[^}]*\}) from '([^']+)';$/gm,
    (_, names: string, name: string) => `const ${names} = modules[${JSON.stringify(name)}];`,
  );
  const lines: string[] = [];
  const log = (...values: unknown[]) =>
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  await new AsyncFunction('modules', 'console', body)(from, { log });
  return lines.join('\n');
}

describe.each(Object.keys(modules))('the README of %s', (name) => {
  const folder = name.replace('@sessionkit/', '');
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'packages', folder, 'README.md'), 'utf8');

  it('shows what its example prints', async () => {
    const [, program = '', answer] = /```js\n(.*?)```\n\n```text\n(.*?)\n```/s.exec(text) ?? [];
    expect(program).toContain(`from '${name}'`);
    expect(await printedBy(program, modules)).toBe(answer);
  });

  it('has the headings that every adapter has', () => {
    expect(text.startsWith(`# ${name}\n`)).toBe(true);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(headings);
  });
});

it('the README of the testkit shows what its examples print', async () => {
  const text = readFileSync(
    join(import.meta.dirname, '..', '..', 'packages', 'testkit', 'README.md'),
    'utf8',
  );
  const all = {
    ...modules,
    '@sessionkit/backend-memory': memory,
    '@sessionkit/http-node': httpNode,
    '@sessionkit/session-core': core,
    '@sessionkit/testkit': testkit,
    'node:http': http,
  };
  const examples = [...text.matchAll(/```js\n(.*?)```\n\n```text\n(.*?)\n```/gs)];
  expect(examples.map(([, program = '']) => program.includes("from '@sessionkit/testkit'"))).toEqual([
    true,
    true,
  ]);
  for (const [, program = '', answer] of examples) expect(await printedBy(program, all)).toBe(answer);
});
