import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { constants, createReadStream, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Output } from '../src/output.js';

const folder = mkdtempSync(join(tmpdir(), 'sessionkit-output-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an output', () => {
  it('has written everything when it was flushed, also when asked several times at once', async () => {
    const file = join(folder, 'log');
    const output = new Output(openSync(file, 'w'));
    await output.flush();
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'x'.repeat(50)}\n`);
    for (const line of lines) output.write(line);
    await Promise.all([output.flush(), output.flush()]);
    expect(readFileSync(file, 'utf8')).toBe(lines.join(''));
    await output.close();
  });

  it('keeps nobody waiting for longer than a second when its reader does not read', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const output = new Output(fd);
    for (let i = 0; i < 100; i++) output.write('x'.repeat(10_000));
    const begun = performance.now();
    await output.flush();
    const waited = performance.now() - begun;
    expect(waited).toBeGreaterThan(900);
    expect(waited).toBeLessThan(10_000);
    // A late reader gets all of it.
    const reader = createReadStream(pipe);
    let length = 0;
    reader.on('data', (chunk) => (length += chunk.length));
    await output.close();
    await once(reader, 'close');
    expect(length).toBe(1_000_000);
  });
});
