import { memory } from '@sessionkit/backend-memory';
import { type Backend, SessionError, type SessionId } from '@sessionkit/session-core';
import {
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
  return new Proxy(sound, {
    get(target, name) {
      if (name === 'load') {
        const load: Backend['load'] = async (ids, signal) =>
          (await target.load(ids, signal)).map((found, at) =>
            damaged.has(ids[at] as SessionId)
              ? new SessionError('RECORD_CORRUPT', 'damaged by a test')
              : found,
          );
        return load;
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
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

/** The backend suite over memory, and over mutants of it. */
export function backendMatrix(): Promise<MatrixReport> {
  return mutationMatrix(backendCases, backendMutants, (one, mutant) =>
    runBackendCase(
      one,
      mutant === undefined ? harness : { open: async () => mutant.breaks(await harness.open()) },
    ),
  );
}
