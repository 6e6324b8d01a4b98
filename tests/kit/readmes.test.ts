import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
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

/** Runs a program of a README with the sources of its package; answers what it prints. */
function printed(program: string): string {
  const body = program.replace(
    /^import (\{[^}]*\}) from '([^']+)';$/gm,
    (_, names: string, from: string) => `const ${names} = modules[${JSON.stringify(from)}];`,
  );
  const lines: string[] = [];
  const log = (...values: unknown[]) =>
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  new Function('modules', 'console', body)(modules, { log });
  return lines.join('\n');
}

describe.each(Object.keys(modules))('the README of %s', (name) => {
  const folder = name.replace('@sessionkit/', '');
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'packages', folder, 'README.md'), 'utf8');

  it('shows what its example prints', () => {
    const [, program = '', answer] = /```js\n(.*?)```\n\n```text\n(.*?)\n```/s.exec(text) ?? [];
    expect(program).toContain(`from '${name}'`);
    expect(printed(program)).toBe(answer);
  });

  it('has the headings that every adapter has', () => {
    expect(text.startsWith(`# ${name}\n`)).toBe(true);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(headings);
  });
});
