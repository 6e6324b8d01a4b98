import { type Filter, type Millis, SessionError } from '@sessionkit/session-core';
import { PER_SESSION, TOTAL } from './defaults.js';
import { CacheSession } from './session.js';
import { type Bounds, Shelf } from './shelf.js';

export type { Bounds } from './shelf.js';

export interface CacheOptions {
  /** How much is kept for one session. Default: 100 entries of 1 MiB together. */
  readonly perSession?: Partial<Bounds> | undefined;
  /** How much is kept for all sessions. Default: 10,000 entries of 64 MiB together. */
  readonly total?: Partial<Bounds> | undefined;
  /** For how long an answer is used at most, ms, whatever it says itself. Default: for as long as it says. */
  readonly ttl?: Millis | undefined;
  /** Default: the clock of the process. */
  readonly now?: (() => Millis) | undefined;
}

/**
 * Keeps the answers that say for how long they are good (`max-age`, RFC 9111) for the session that they were made for, in the memory of the process, and answers the same URL from
 * there.
 *
 * @throws SessionError `CONFIG_INVALID` for bounds that are none.
 */
export function cache(options: CacheOptions = {}): Filter {
  const { ttl, now = Date.now } = options;
  const perSession = { ...PER_SESSION, ...options.perSession };
  const total = { ...TOTAL, ...options.total };
  check(perSession, 'perSession');
  check(total, 'total');
  if (ttl !== undefined && !(ttl > 0))
    throw new SessionError('CONFIG_INVALID', `ttl must be above 0 ms, not ${ttl}`);
  const shelf = new Shelf(total);
  const counts = { hits: 0, stored: 0, passed: 0 };
  const common = { shelf, perSession, ttl, counts, now };
  return {
    type: 'cache',
    open: () => new CacheSession(common),
    diagnostics: () => ({ bytes: shelf.bytes, entries: shelf.entries, ...counts }),
  };
}

function check(bounds: Bounds, path: string): void {
  for (const name of ['entries', 'bytes'] as const) {
    const value = bounds[name];
    if (!(Number.isSafeInteger(value) && value > 0))
      throw new SessionError(
        'CONFIG_INVALID',
        `${path}.${name} must be a whole number above 0, not ${value}`,
      );
  }
}
