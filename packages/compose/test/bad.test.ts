import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { home, read } from './reading.js';

/** `UPDATE_GOLDENS=1` writes the messages as they are now; read the difference before you commit it. */
const update = process.env.UPDATE_GOLDENS === '1';
const folder = join(home, 'bad');
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .sort();

describe('a bad file is refused with exactly the message beside it', () => {
  it.each(files)('%s', async (file) => {
    const reading = await read(`bad/${file}`);
    expect(reading.config).toBeUndefined();
    const message = `${reading.error?.message.replaceAll(join(folder, file), file)}\n`;
    const golden = join(folder, file.replace(/\.yaml$/, '.txt'));
    if (update) writeFileSync(golden, message);
    expect(message).toBe(readFileSync(golden, 'utf8'));
  });

  it('every message belongs to a file, and there are at least 40 of them', () => {
    const goldens = readdirSync(folder).filter((file) => file.endsWith('.txt'));
    expect(goldens.filter((golden) => !existsSync(join(folder, golden.replace(/\.txt$/, '.yaml'))))).toEqual(
      [],
    );
    expect(goldens.length).toBe(files.length);
    expect(files.length).toBeGreaterThanOrEqual(40);
  });

  it('every problem tells its path or place, what is wrong and what to do', async () => {
    for (const file of files) {
      for (const { path, line, message, fix } of (await read(`bad/${file}`)).problems) {
        expect(message.length, file).toBeGreaterThan(10);
        expect(fix.length, file).toBeGreaterThan(5);
        expect(path !== '' || line !== undefined || /^(empty|top|services|alias-bomb)/.test(file), file).toBe(
          true,
        );
      }
    }
  });

  it('ten mistakes in one file give ten messages', async () => {
    expect((await read('bad/ten-mistakes.yaml')).problems).toHaveLength(10);
  });

  it('a value that may be a secret is in no message', async () => {
    for (const file of files) {
      const text = JSON.stringify((await read(`bad/${file}`)).problems);
      expect(text, file).not.toContain('hunter2');
      expect(text, file).not.toContain('271828');
    }
  });
});
