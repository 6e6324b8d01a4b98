import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs, { constants, createReadStream, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openLogs } from '../src/log.js';
import { Output } from '../src/output.js';

const folder = mkdtempSync(join(tmpdir(), 'sessionkit-output-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Written = (error: Error | null, bytes?: number) => void;

/** Descriptors that cannot be written, by the error of each attempt; what is written to the others is kept. */
function disk(failing: Map<number, string>) {
  const written = new Map<number, string>();
  const write = vi.spyOn(fs, 'write').mockImplementation(((fd: number, ...rest: unknown[]) => {
    const [data, done] = [rest[0] as string | Buffer, rest.at(-1) as Written];
    const code = failing.get(fd);
    if (code === undefined) written.set(fd, (written.get(fd) ?? '') + data);
    const error = code === undefined ? null : Object.assign(new Error(`${code}: no`), { code });
    setImmediate(() => done(error, Buffer.byteLength(data)));
  }) as typeof fs.write);
  onTestFinished(() => write.mockRestore());
  return { written, attempts: () => write.mock.calls.length };
}

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

  it.each(['ENOSPC', 'EFBIG', 'EIO'])('goes on after %s, and told it once', async (code) => {
    const failing = new Map([[77, code]]);
    const told: string[] = [];
    const { written } = disk(failing);
    const output = new Output(77, ({ message }) => told.push(message));
    for (const line of ['one\n', 'two\n']) {
      output.write(line);
      await output.flush();
    }
    failing.clear();
    output.write('three\n');
    await output.flush();
    expect([written.get(77), told]).toEqual(['one\ntwo\nthree\n', [`${code}: no`]]);
    failing.set(77, code);
    output.write('four\n');
    await output.flush();
    expect(told).toHaveLength(2);
  });

  it.each(['EPIPE', 'ECONNRESET', 'EBADF'])('ends with %s, which nobody is told', async (code) => {
    const { attempts } = disk(new Map([[77, code]]));
    const told = vi.fn();
    const output = new Output(77, told);
    for (let i = 0; i < 3; i++) {
      output.write('line\n');
      await output.flush();
    }
    expect([attempts(), told.mock.calls]).toEqual([1, []]);
    await output.close();
  });
});

describe('of the two logs', () => {
  it('the other tells that one cannot be written, once', async () => {
    const failing = new Map([[1, 'ENOSPC']]);
    const { written } = disk(failing);
    const logs = openLogs();
    for (let i = 0; i < 3; i++) {
      logs.access({ status: 200 });
      await logs.flush();
    }
    await logs.flush();
    expect(written.get(2)?.match(/ENOSPC: no".*stdout cannot be written; its lines wait/g)).toHaveLength(1);
    failing.clear();
    failing.set(2, 'ENOSPC');
    for (let i = 0; i < 3; i++) {
      logs.log('info', 'something');
      await logs.flush();
    }
    await logs.flush();
    expect(written.get(1)?.match(/"status":200/g)).toHaveLength(3);
    expect(written.get(1)?.match(/"error":"stderr cannot be written; .*ENOSPC/g)).toHaveLength(1);
    expect(logs.recent.read(9).map(({ message }) => message.split(';')[0])).toEqual([
      'stdout cannot be written',
      'something',
      'stderr cannot be written',
      'something',
      'something',
    ]);
  });

  it('neither keeps telling when both fail', async () => {
    const { attempts } = disk(
      new Map([
        [1, 'ENOSPC'],
        [2, 'ENOSPC'],
      ]),
    );
    const logs = openLogs();
    logs.access({ status: 200 });
    for (let i = 0; i < 5; i++) await logs.flush();
    const before = attempts();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(attempts()).toBe(before);
    expect(logs.recent.read(9)).toHaveLength(2);
  });
});
