import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { SessionRecord } from '@sessionkit/session-core';
import { makeRecord, type TestEnvironment } from '@sessionkit/testkit';
import type { MemoryBackend } from '../src/index.js';

export const signal = new AbortController().signal;

/** Stores `count` sessions, each a millisecond after the one before, up to now. */
export async function fill(
  backend: MemoryBackend,
  environment: TestEnvironment,
  count: number,
  members: (at: number) => Partial<SessionRecord> = () => ({}),
): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  const first = environment.now() - count;
  for (let n = 0; n < count; n++) {
    const record = makeRecord(environment, { startedAt: first + n, ...members(n) });
    records.push(record);
    if (!(await backend.save(record, signal))) throw new Error(`session ${n} was not stored`);
  }
  return records;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of the heap that are in use after a full collection. */
export function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Median of the times that `task` takes, in ms. */
export async function medianTime(runs: number, task: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < runs; n++) {
    const started = performance.now();
    await task();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[runs >> 1] ?? 0;
}
