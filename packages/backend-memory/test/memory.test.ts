import { testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { memory } from '../src/index.js';
import { recordBytes } from '../src/size.js';
import { fill } from './helpers.js';
import { heapUsed } from './measures.js';

const SESSIONS = 5_000;

/** A text of its own for each session, as a store's client would hand it over. */
const text = (length: number, n: number) =>
  Buffer.from(`{"n":"${`${n}`.padStart(length - 8, 'x')}"}`).toString();

const shapes = [
  { name: 'without data', data: 8, writes: 1 },
  { name: 'of 0.9 kB', data: 900, writes: 1 },
  { name: 'of 0.9 kB after 16 saves', data: 900, writes: 16 },
  { name: 'of 9 kB', data: 9_000, writes: 1 },
];

it.each(shapes)(
  'the bytes of a session $name are estimated within a quarter',
  async ({ name, data, writes }) => {
    const environment = testEnvironment();
    const ids = (n: number) =>
      Array.from({ length: writes }, (_, w) => Buffer.from(`write-${n}-${w}xx`).toString());
    const before = heapUsed();
    const backend = memory({ now: () => environment.now(), maxBytes: 2 ** 40 });
    const records = await fill(backend, environment, SESSIONS, (n) => ({
      user: Buffer.from(`user${n}@example.com`).toString(),
      data: text(data, n),
      writes: ids(n),
    }));
    const estimate = recordBytes(records[SESSIONS >> 1] ?? expect.fail());
    records.length = 0;
    const bytes = (heapUsed() - before) / SESSIONS;
    console.log(`memory: a session ${name} takes ${bytes.toFixed(0)} bytes, estimated ${estimate}`);
    expect(bytes / estimate).toBeGreaterThan(0.75);
    expect(bytes / estimate).toBeLessThan(1.25);
    expect(backend.type).toBe('memory');
  },
);
