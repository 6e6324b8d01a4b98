import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LEVELS } from '../src/options.js';

const text = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');

it('the README names every level, and says on what the backend was proved', () => {
  for (const level of LEVELS) expect(text).toContain(`\`${level}\``);
  expect(text).toContain('**Proved on a double of the server, not on a real cluster**');
});
