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
