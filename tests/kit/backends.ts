import { memory } from '@sessionkit/backend-memory';
import { type Backend, SessionError, type SessionId } from '@sessionkit/session-core';
import {
  altered,
  type BackendHarness,
  backendCases,
  backendMutants,
  type MatrixReport,
  mutationMatrix,
  runBackendCase,
  TestClock,
} from '@sessionkit/testkit';

/** Memory can't be damaged: what a store with damaged records answers is played here. */
function damageable(sound: Backend, damaged: ReadonlySet<SessionId>): Backend {
  return altered(sound, {
    async load(ids, signal) {
      const found = await sound.load(ids, signal);
      const fault = new SessionError('RECORD_CORRUPT', 'damaged by a test');
      return ids.map((id, at) => (damaged.has(id) ? fault : found[at]));
    },
  });
}

const harness: BackendHarness = {
  async open() {
    const clock = new TestClock();
    const damaged = new Set<SessionId>();
    const instance = memory({ now: () => clock.now(), log: () => {} });
    const second = instance.share();
    const reader = instance.share();
    return {
      a: damageable(instance, damaged),
      b: damageable(second, damaged),
      clock,
      peek: async (id) => reader.row(id),
      corrupt: async (id) => {
        damaged.add(id);
      },
      close: async () => {
        await Promise.all([instance.close(), second.close(), reader.close()]);
      },
    };
  },
};

/** In this process a notice takes a turn of the event loop: a mutant is not waited for as a distant store is. */
const NOTICE_WITHIN = 200;

/** The backend suite over memory, and over mutants of it. */
export function backendMatrix(): Promise<MatrixReport> {
  return mutationMatrix(backendCases, backendMutants, (one, mutant) => {
    if (mutant === undefined) return runBackendCase(one, harness);
    return runBackendCase(one, {
      open: async () => mutant.breaks({ ...(await harness.open()), noticeWithin: NOTICE_WITHIN }),
    });
  });
}
