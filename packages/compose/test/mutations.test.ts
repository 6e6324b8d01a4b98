import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatProblems } from '../src/index.js';
import { home, read } from './reading.js';

const pieces = [
  '{',
  '}',
  '[',
  ']',
  ':',
  '- ',
  '\n',
  '  ',
  '*a',
  '&a ',
  '${',
  'null',
  '~',
  '"',
  "'",
  '<<: ',
  '\t',
].concat([
  '__proto__: 1',
  '? ',
  '!x ',
  '0',
  '-1',
  'true',
  '|',
  '%',
  '\u0000',
  'constructor: 1\n',
  'toString: {}\n',
  '.inf',
  '1e999',
]);

/** Park and Miller's generator: the same files in every run. */
function dice(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % sides;
  };
}

it('whatever a file is changed to, it is read or refused with a message, and nothing is thrown', async () => {
  const roll = dice(20_261_122);
  const files = ['good', 'bad', 'samples'].flatMap((folder) =>
    readdirSync(join(home, folder))
      .filter((file) => file.endsWith('.yaml') && file !== 'alias-bomb.yaml')
      .map((file) => readFileSync(join(home, folder, file), 'utf8')),
  );
  let refused = 0;
  for (let run = 0; run < 400; run++) {
    let text = files[roll(files.length)] ?? '';
    for (let change = roll(4); change >= 0; change--) {
      const at = roll(text.length + 1);
      const piece = roll(3) === 0 ? '' : pieces[roll(pieces.length)];
      text = text.slice(0, at) + piece + text.slice(at + roll(6));
    }
    const { config, problems, error } = await read('good/changed.yaml', text);
    expect(config === undefined, text).toBe(problems.length > 0);
    expect(error === undefined, text).toBe(config !== undefined);
    // A control character of the file must not reach a terminal.
    expect(formatProblems('', problems)).not.toMatch(/[^\P{Cc}\n]/u);
    if (error !== undefined) refused += 1;
  }
  expect(refused).toBeGreaterThan(200);
});
