import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Millis } from '@sessionkit/session-core';

/** So long a count must stay the same. */
const SETTLED_AFTER: Millis = 1_000;

/**
 * Connections that a server counts, once the count stays the same: what an earlier case had may be closed by the server only now.
 * None at all is settled at once.
 */
export async function settled(count: () => Promise<number>, within: Millis): Promise<number> {
  const limit = performance.now() + within;
  let last = await count();
  for (let since = performance.now(); last > 0 && performance.now() < since + SETTLED_AFTER; ) {
    assert.ok(performance.now() < limit, `the server's connections keep changing: ${last} now`);
    await pause(20);
    const now = await count();
    if (now !== last) since = performance.now();
    last = now;
  }
  return last;
}
