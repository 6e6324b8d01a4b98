import type { Backend } from '@sessionkit/session-core';
import { altered, raceSuite, raceWorkerHere } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import { memory } from '../src/index.js';

const HELD_UP = 150;
/** The loop has turned a few times by then, so that its delay is measured. */
const BEGUN = 30;

/** Every other version is refused, one of them after a wait for a lock on the event loop. */
function blocking(sound: Backend): Backend {
  let from: number | undefined;
  return altered(sound, {
    async save(record, signal) {
      if (record.version % 2 === 1) return sound.save(record, signal);
      const now = performance.now();
      from ??= now + BEGUN;
      if (now >= from) {
        from = Number.POSITIVE_INFINITY;
        while (performance.now() < now + HELD_UP);
      }
      throw new Error('the lock was not to be had');
    },
  });
}

it('a race that fails on a backend that blocks the event loop says so', async () => {
  const store = memory({ log: () => {} });
  const pair = { a: raceWorkerHere(blocking(store)), b: raceWorkerHere(store.share()) };
  const size = { visits: 400, revivals: 1, rounds: 1 };
  const [main] = raceSuite({ store: 'memory', pair: async () => pair, size, print: () => {} });
  await expect(main?.run()).rejects.toThrow(/the event loop of a process stood still for \d{3,} ms/);
  await Promise.all([pair.a.close(), pair.b.close()]);
});
