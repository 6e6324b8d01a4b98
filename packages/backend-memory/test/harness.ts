import { type BackendHarness, TestClock } from '@sessionkit/testkit';
import { memory } from '../src/index.js';

/** Two instances on one store, with a clock that the suite turns. */
export const memoryHarness: BackendHarness = {
  async open() {
    const clock = new TestClock();
    const a = memory({ now: () => clock.now(), log: () => {} });
    const b = a.share();
    const reader = a.share();
    return {
      a,
      b,
      clock,
      peek: async (id) => reader.row(id),
      close: async () => {
        await Promise.all([a.close(), b.close(), reader.close()]);
      },
    };
  },
};
