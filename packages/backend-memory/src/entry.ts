import { deadFrom, type Millis, type SessionRecord } from '@sessionkit/session-core';
import type { Due } from './due-queue.js';
import type { JournalOwner } from './journals.js';

/** A record as it was handed in, beside what changes without a save. */
export interface Entry extends Due, JournalOwner {
  record: SessionRecord;
  seenAt: Millis;
  bytes: number;
  /** Until when it is kept after its end; 0 while it has not ended. */
  keepUntil: Millis;
}

/** The record with its last use; made anew only when a touch came in between. */
export function current(entry: Entry): SessionRecord {
  if (entry.seenAt !== entry.record.seenAt) entry.record = { ...entry.record, seenAt: entry.seenAt };
  return entry.record;
}

/** What is stored of `given`: never an earlier use or a later kill than is known. */
export function reconciled(given: SessionRecord, entry: Entry): SessionRecord {
  const seenAt = Math.max(given.seenAt, entry.seenAt);
  const known = entry.record.killAt;
  const killAt =
    known === undefined || (given.killAt !== undefined && given.killAt < known) ? given.killAt : known;
  return seenAt === given.seenAt && killAt === given.killAt ? given : { ...given, seenAt, killAt };
}

/** From when on a session is dead, or of no use any more. */
export function dueOf(entry: Entry): Millis {
  const { record, seenAt, keepUntil } = entry;
  if (record.ended !== undefined) return keepUntil;
  return deadFrom({ seenAt, idle: record.idle, endsAt: record.endsAt, killAt: record.killAt });
}
