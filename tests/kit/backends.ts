import { type MemoryBackend, memory } from '@sessionkit/backend-memory';
import { type Backend, SessionError, type SessionId } from '@sessionkit/session-core';
import {
  altered,
  type BackendHarness,
  backendCases,
  backendMutants,
  type HostileHarness,
  hostileCases,
  hostileMutants,
  type MatrixReport,
  mutationMatrix,
  runBackendCase,
  runHostileCase,
  TestClock,
} from '@sessionkit/testkit';

/** Memory can't be damaged: what a store with damaged records answers is played here. */
function damageable(sound: MemoryBackend, damaged: ReadonlySet<SessionId>): Backend {
  return altered(sound, {
    async load(ids, signal) {
      const found = await sound.load(ids, signal);
      const fault = (id: SessionId) => new SessionError('RECORD_CORRUPT', `${id} was damaged by a test`);
      return ids.map((id, at) => (damaged.has(id) ? fault(id) : found[at]));
    },
    async list(query, signal) {
      const { items, next } = await sound.list(query, signal);
      return { items: items.filter(({ id }) => !damaged.has(id)), next };
    },
    async save(record, signal) {
      if (damaged.has(record.id)) throw new SessionError('RECORD_CORRUPT', 'it was damaged by a test');
      return sound.save(record, signal);
    },
  });
}

const harness = {
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
      peek: async (id: SessionId) => reader.row(id),
      corrupt: async (id: SessionId) => {
        damaged.add(id);
      },
      damages: [
        {
          name: 'damaged',
          apply: async (id: SessionId) => {
            damaged.add(id);
          },
        },
      ],
      close: async () => {
        await Promise.all([instance.close(), second.close(), reader.close()]);
      },
    };
  },
} satisfies BackendHarness & HostileHarness;

/** In this process a notice takes a turn of the event loop: a mutant is not waited for as a distant store is. */
const NOTICE_WITHIN = 200;
/** A case offers hundreds of values. */
const HOSTILE_TIMEOUT = 30_000;

/** The backend suite over memory, and over mutants of it. */
export function backendMatrix(): Promise<MatrixReport> {
  return mutationMatrix(backendCases, backendMutants, (one, mutant) => {
    if (mutant === undefined) return runBackendCase(one, harness);
    return runBackendCase(one, {
      open: async () => mutant.breaks({ ...(await harness.open()), noticeWithin: NOTICE_WITHIN }),
    });
  });
}

/** The suite of hostile values over memory, and over mutants of it. */
export function hostileMatrix(): Promise<MatrixReport> {
  return mutationMatrix(
    hostileCases,
    hostileMutants,
    (one, mutant) => {
      if (mutant === undefined) return runHostileCase(one, harness);
      return runHostileCase(one, { open: async () => mutant.breaks(await harness.open()) });
    },
    HOSTILE_TIMEOUT,
  );
}
