import type { Session } from '@sessionkit/session-core';

/** What the cookie needs to know of the session. */
type Times = Pick<Session, 'id' | 'idleTimeout' | 'endsAt'>;

/**
 * `req.session.cookie`: how long the session may go unused, in ms. The cookie in the browser ends with the session, and whatever the session is used for renews both, up to the
 * `duration` of the service. What else express-session has here (`secure`, `path`, …) is the cookie transport's and can't be set for one session.
 */
export class SessionCookie {
  #maxAge: number | null;
  #endsAt: number;
  #changed: number | undefined;

  constructor({ idleTimeout, endsAt }: Times) {
    this.#maxAge = idleTimeout ?? null;
    this.#endsAt = endsAt ?? Number.POSITIVE_INFINITY;
  }

  /** How long the session may go unused; null when there is none yet: then it is the service's. */
  get originalMaxAge(): number | null {
    return this.#maxAge;
  }

  set originalMaxAge(milliseconds: number | null | undefined) {
    this.maxAge = milliseconds;
  }

  /** What is left of the session if it is not used any more. Setting it sets {@link originalMaxAge}; null or undefined changes nothing. */
  get maxAge(): number | null {
    return this.#maxAge === null ? null : Math.min(this.#maxAge, this.#endsAt - Date.now());
  }

  set maxAge(milliseconds: number | null | undefined) {
    if (milliseconds === null || milliseconds === undefined || milliseconds === this.#maxAge) return;
    if (typeof milliseconds !== 'number') throw new TypeError('maxAge must be a number of milliseconds');
    this.#maxAge = milliseconds;
    this.#changed = milliseconds;
  }

  get expires(): Date | null {
    const { maxAge } = this;
    return maxAge === null ? null : new Date(Date.now() + maxAge);
  }

  /** A time sets {@link maxAge}. `false` and null, for express-session a cookie until the browser closes, change nothing. */
  set expires(when: Date | false | null | undefined) {
    if (when instanceof Date) this.maxAge = when.getTime() - Date.now();
  }

  /** It was set, and is not yet the session's. */
  get changed(): boolean {
    return this.#changed !== undefined;
  }

  /** Sets it for a session that there is. */
  apply(session: Times): void {
    if (this.#changed === undefined || session.id === undefined) return;
    session.idleTimeout = this.#changed;
    this.#changed = undefined;
  }

  toJSON(): { readonly originalMaxAge: number | null; readonly expires: Date | null } {
    return { originalMaxAge: this.originalMaxAge, expires: this.expires };
  }
}
