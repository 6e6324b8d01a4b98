import type { Millis } from './environment.js';
import type { SessionId } from './id.js';

const FORGOTTEN: Millis = 3_600_000;

/** Rotations that were asked for too soon after a login and wait for the first visit after it. Known to this process only. */
export class Rotations {
  readonly #due = new Map<SessionId, Millis>();

  later(id: SessionId, at: Millis): void {
    this.#due.delete(id);
    this.#due.set(id, at);
    // The oldest come first. A session that was not seen for so long has most likely gone.
    for (const [old, due] of this.#due) {
      if (due + FORGOTTEN > at) break;
      this.#due.delete(old);
    }
  }

  isDue(id: SessionId, now: Millis): boolean {
    if (this.#due.size === 0) return false;
    const at = this.#due.get(id);
    return at !== undefined && now >= at;
  }

  done(id: SessionId): void {
    this.#due.delete(id);
  }
}
