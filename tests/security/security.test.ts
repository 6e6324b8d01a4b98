import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { cookies } from './rows/cookies.js';
import { ends } from './rows/ends.js';
import { surroundings } from './rows/surroundings.js';
import { tokens } from './rows/tokens.js';
import { transports } from './rows/transports.js';
import { report, rows } from './table.js';

tokens();
ends();
cookies();
transports();
surroundings();

it('names the same rows as the guide', () => {
  const guide = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8');
  const [, table = ''] = guide.split('\n## Requirements\n');
  const named = table.split('\n').filter((line) => /^\| (?!source)/.test(line));
  expect(named.map((line) => line.split(' | ', 2).join(' | '))).toEqual(
    rows.map(([source, requirement]) => `| ${source} | ${requirement}`),
  );
});

afterAll(report);
