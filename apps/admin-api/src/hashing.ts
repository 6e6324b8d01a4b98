import type { Millis } from '@sessionkit/session-core';
import { AdminError } from './errors.js';

const AT_A_TIME = 2;

/** Lets two password hashes be computed at a time, of logins and of changed passwords together: each takes 32 MiB and a processor. */
export class Hashing {
  #running = 0;

  /** @throws AdminError 429 when two are being computed; whatever `task` throws. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_A_TIME) throw tooMany('Too many passwords are being checked.', 1_000);
    this.#running++;
    try {
      return await task();
    } finally {
      this.#running--;
    }
  }
}

export function tooMany(why: string, wait: Millis): AdminError {
  return new AdminError(429, `${why} Try again later.`, { 'Retry-After': String(Math.ceil(wait / 1000)) });
}
