import type { Millis } from '@sessionkit/session-core';

/** Sums of fractions miss a whole number by less than that. */
const ALMOST = 1e-9;

/** A token bucket: full at first, and filled again evenly. */
export interface Bucket {
  /** Takes one; answers in how many ms there will be one when there is none. */
  take(now: Millis): Millis | undefined;
}

/** @param size how many it holds, and how many run into it in `per` ms */
export function bucketOf(size: number, per: Millis, now: Millis): Bucket {
  let level = size;
  let at = now;
  return {
    take(time) {
      // A clock that was set back fills nothing and takes nothing away.
      level = Math.min(size, level + (Math.max(0, time - at) * size) / per);
      at = time;
      if (level < 1 - ALMOST) return ((1 - level) * per) / size;
      level = Math.max(0, level - 1);
      return undefined;
    },
  };
}
