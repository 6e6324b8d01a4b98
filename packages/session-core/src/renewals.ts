import type { Millis } from './environment.js';
import type { SessionId } from './id.js';
import type { SessionRecord } from './record.js';

/** The oldest go first: their cookie is renewed when the next tenth has passed. */
const MOST = 100_000;

/**
 * Sessions whose cookie ends too early, and that have had no answer since which could hand it out again: an open socket uses a session without one. Known to this
 * process only: requests that come to another one renew the cookie only when a tenth passes between two uses.
 */
export class Renewals {
  readonly #due = new Set<SessionId>();

  owe(id: SessionId): void {
    this.#due.add(id);
    if (this.#due.size <= MOST) return;
    for (const oldest of this.#due) {
      this.#due.delete(oldest);
      break;
    }
  }

  /** Whether it is due. Then the caller hands it out, or owes it again. */
  take(id: SessionId): boolean {
    return this.#due.size > 0 && this.#due.delete(id);
  }
}

/** Whether the end of the session has moved by a tenth of its idle time, counted from when its secret was made, between two uses. */
export function hasRolled(seenAt: Millis, record: SessionRecord, now: Millis): boolean {
  if (seenAt + record.idle >= Math.min(record.endsAt, record.killAt ?? record.endsAt)) return false;
  const tenth = record.idle / 10;
  return Math.floor((now - record.secretAt) / tenth) !== Math.floor((seenAt - record.secretAt) / tenth);
}
