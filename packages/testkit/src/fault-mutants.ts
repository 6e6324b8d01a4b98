import { connect, type Socket } from 'node:net';
import { type Backend, can, type Millis, SessionError } from '@sessionkit/session-core';
import { type Alteration, altered, currentOf, newWriteId, SIGNAL } from './backend-mutant-kit.js';
import { pause } from './fault-kit.js';
import { WriteBehind } from './fault-mutant-late.js';
import type { ConnectOptions, RunningStore, StoreHarness } from './store-harness.js';

/** A store whose backend is broken on purpose in one way. */
export interface FaultMutant {
  readonly name: string;
  /** The cases that refuse it, by the beginnings of their names, and what each says then. */
  readonly refusedBy: readonly (readonly [name: string, says: RegExp])[];
  /** It is no mistake in a store that says of itself that a write may arrive late (`lateWrites`). */
  readonly unlessLate?: boolean | undefined;
  /** What it does would be seen in whatever runs beside it in the process. */
  readonly alone?: boolean | undefined;
  breaks(sound: StoreHarness): StoreHarness;
}

type Connect = (
  options: ConnectOptions | undefined,
  sound: RunningStore['connect'],
  store: RunningStore,
) => Promise<Backend>;

function mutant(name: string, refusedBy: FaultMutant['refusedBy'], how: Connect): FaultMutant {
  return {
    name,
    refusedBy,
    breaks: (harness) => ({
      ...harness,
      async start() {
        const store = await harness.start();
        const sound = store.connect.bind(store);
        return { ...store, connect: (options) => how(options, sound, store) };
      },
    }),
  };
}

/** A mutant whose backend has other verbs. */
function verbs(
  name: string,
  refusedBy: FaultMutant['refusedBy'],
  how: (sound: Backend, options: ConnectOptions) => Alteration,
): FaultMutant {
  return mutant(name, refusedBy, async (options = {}, connect) => {
    const sound = await connect(options);
    return altered(sound, how(sound, options));
  });
}

/** Each verb of a backend runs through `run`. */
function each(sound: Backend, run: <T>(verb: () => Promise<T>) => Promise<T>): Alteration {
  return {
    load: (ids, signal) => run(() => sound.load(ids, signal)),
    save: (record, signal) => run(() => sound.save(record, signal)),
    touch: (batch, signal) => run(() => sound.touch(batch, signal)),
    end: (ids, how, signal) => run(() => sound.end(ids, how, signal)),
    now: (signal) => run(() => sound.now(signal)),
  };
}

const down = (message: string) => new SessionError('BACKEND_DOWN', message, { retryable: true });

/** Waits for the store, for as long as it takes. */
async function whenBack<T>(doing: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await doing();
    } catch (error) {
      if (error instanceof SessionError && error.code === 'BACKEND_CLOSED') throw error;
      await pause(20);
    }
  }
}

/** Between two tries it waits for so long, whatever comes. */
const LONG_BREAK: Millis = 2_500;
const IMPATIENCE: Millis = 50;

/** Backends that fail in an outage, one way each. */
export const faultMutants: readonly FaultMutant[] = [
  mutant(
    'cannot be opened while the store is down',
    [['down at the start', /could not be|reach|down/i]],
    async (options, sound) => {
      const backend = await sound(options);
      try {
        await backend.now(AbortSignal.timeout(500));
        return backend;
      } catch (error) {
        await backend.close();
        throw error;
      }
    },
  ),
  mutant(
    'is opened when the store answers, and waits until it does',
    [['silent at the start', /waited for the store/]],
    async (options, sound) => {
      const backend = await sound(options);
      await whenBack(() => backend.now(SIGNAL));
      return backend;
    },
  ),
  verbs(
    'finds nothing where a load failed',
    [
      ['down during a load', /the answer in an outage is wrong/],
      ['cut in the middle of the answer to a load', /the answer in an outage is wrong/],
    ],
    (sound) => ({ load: (ids, signal) => sound.load(ids, signal).catch(() => ids.map(() => undefined)) }),
  ),
  verbs(
    'says that a save failed, and sends it again when the store is back',
    [['down during a save', /after its visit had been refused/]],
    (sound) => ({
      save: (record, signal) =>
        sound.save(record, signal).catch((error: unknown) => {
          whenBack(() => sound.save(record, SIGNAL)).catch(() => undefined);
          throw error;
        }),
    }),
  ),
  verbs(
    'drops a touch that failed',
    [['down during a touch', /answered .* where the store was not there/]],
    (sound) => ({
      touch: (batch, signal) => sound.touch(batch, signal).catch(() => []),
    }),
  ),
  verbs(
    'has ended what it could not reach',
    [['down during an end', /answered .* where the store was not there/]],
    (sound) => ({
      end: (ids, how, signal) => sound.end(ids, how, signal).catch(() => ids),
    }),
  ),
  verbs('says that trying again is of no use', [['down during an end', /is not retryable/]], (sound) =>
    each(sound, (verb) =>
      verb().catch((error: SessionError) => {
        throw new SessionError(error.code, error.message);
      }),
    ),
  ),
  verbs(
    'lists nothing where the list failed',
    [['down during a list', /answered .* where the store was not there/]],
    (sound) =>
      can(sound, 'inspect')
        ? {
            list: (query, signal) => sound.list(query, signal).catch(() => ({ items: [], next: undefined })),
          }
        : {},
  ),
  verbs('is deaf after an outage', [['down while changes are watched', /no change was heard/]], (sound) => {
    let deaf = false;
    return {
      load: (ids, signal) =>
        sound.load(ids, signal).catch((error: unknown) => {
          deaf = true;
          throw error;
        }),
      ...(can(sound, 'watch')
        ? { watch: (onChange) => sound.watch((change) => (deaf ? undefined : onChange(change))) }
        : {}),
    };
  }),
  {
    unlessLate: true,
    ...mutant(
      'takes a write however late it arrives',
      [['silent with 100 requests in flight: ', /counted after all/]],
      (options, sound) => sound({ ...options, deadline: 60_000 }),
    ),
  },
  verbs(
    'does not recover from a call that was given up',
    [['silent with 100 requests in flight', /succeed/]],
    (sound) => {
      let dead = false;
      const given = <T>(verb: () => Promise<T>, signal: AbortSignal): Promise<T> => {
        signal.addEventListener('abort', () => {
          dead = true;
        });
        return dead ? Promise.reject(down('dead')) : verb();
      };
      return {
        load: (ids, signal) => given(() => sound.load(ids, signal), signal),
        save: (record, signal) => given(() => sound.save(record, signal), signal),
      };
    },
  ),
  verbs(
    'is less patient than its deadline',
    [['slow, but within', /counts as down|while the store was up/]],
    (sound) =>
      each(sound, (verb) =>
        Promise.race([
          verb(),
          pause(IMPATIENCE).then(() => {
            throw down(`no answer within ${IMPATIENCE} ms`);
          }),
        ]),
      ),
  ),
  verbs(
    'logs each call that fails',
    [['slower than the deadline', /more than once for one outage/]],
    (sound, { environment }) => ({
      load: (ids, signal) => {
        signal.addEventListener('abort', () =>
          environment?.log({ level: 'warning', message: 'a load failed' }),
        );
        return sound.load(ids, signal);
      },
      save: (record, signal) => {
        signal.addEventListener('abort', () =>
          environment?.log({ level: 'warning', message: 'a save failed' }),
        );
        return sound.save(record, signal);
      },
    }),
  ),
  verbs('does one thing at a time', [['a pool of 2', /refused for a query that is held/]], (sound) => {
    let line: Promise<unknown> = Promise.resolve();
    return each(sound, (verb) => {
      const turn = line.then(verb);
      line = turn.catch(() => undefined);
      return turn;
    });
  }),
  mutant(
    'has more connections than it may',
    [['a pool of 2', /more connections than the pool has/]],
    (options, sound) => sound({ ...options, pool: 20 }),
  ),
  verbs(
    'sends a save whose answer was cut again, and takes its own change for another one',
    [['cut in the middle of the answer to a save: however', /count/]],
    (sound) => ({
      save: (record, signal) =>
        sound.save(record, signal).catch(async () => {
          await whenBack(() => sound.now(SIGNAL));
          const stored = await currentOf(sound, record.id);
          return (stored?.version ?? 0) < record.version && sound.save(record, SIGNAL);
        }),
    }),
  ),
  verbs(
    'does not know a save that it has stored already',
    [['cut in the middle of the answer to a save: the same', /sent again answers false/]],
    (sound) => ({
      save: (record, signal) => sound.save({ ...record, writes: [newWriteId()] }, signal),
    }),
  ),
  verbs(
    'acknowledges a save before it is stored',
    [['killed under load', /are lost|there/]],
    (sound) => new WriteBehind(sound).members,
  ),
  mutant(
    'leaves a connection behind',
    [['slow, but within', /the server had .* connections before, and has/]],
    async (options, sound, store) => {
      const left = await leftConnection(options?.via?.[0] ?? store.addresses[0]);
      const backend = await sound(options);
      left.unref();
      return backend;
    },
  ),
  verbs('waits for long after an outage', [['down at the start', /after the store was back/]], (sound) => {
    let until = 0;
    return each(sound, async (verb) => {
      if (performance.now() < until) throw down('later');
      try {
        return await verb();
      } catch (error) {
        until = performance.now() + LONG_BREAK;
        throw error;
      }
    });
  }),
  {
    alone: true,
    ...verbs('leaves a rejection to nobody', [['down during a load', /nobody took it/]], (sound) => ({
      load(ids, signal) {
        const found = sound.load(ids, signal);
        void found.then(() => undefined);
        return found;
      },
    })),
  },
];

function leftConnection(
  address: { readonly host: string; readonly port: number } | undefined,
): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(address?.port ?? 0, address?.host);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(socket));
  });
}
