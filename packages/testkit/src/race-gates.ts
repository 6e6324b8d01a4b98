import { setTimeout as pause } from 'node:timers/promises';
import {
  type Backend,
  can,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { altered } from './backend-mutant-kit.js';

/** Verbs of a backend that can be held. */
export type HeldVerb = 'load' | 'save' | 'touch' | 'append';

/**
 * Where a call is held until it is released: `before` the store sees it; `after` the store has answered; `lost`: as `after`, and then it fails as if the
 * answer had been cut off. `dropped` holds nothing: the call fails and never reaches the store.
 */
export type HoldMode = 'before' | 'after' | 'lost' | 'dropped';

/** How slow some saves are: one in so many waits so long before the store sees it, in ms. */
export interface Slowness {
  readonly oneIn: number;
  readonly least: Millis;
  readonly most: Millis;
  /** It waits no longer than until somebody else has stored its version, for which it looks every `least` ms. */
  readonly untilMet?: boolean | undefined;
}

/** How long a race may take to come about before the suite gives up, in ms. */
const PATIENCE: Millis = 10_000;

interface Hold {
  readonly mode: HoldMode;
  readonly ids: SessionId[];
  readonly opened: Promise<void>;
  open(): void;
}

/**
 * Stands between core and a backend and makes races certain: a call that is held waits for nobody but the one who releases it, and all other
 * calls go on.
 */
export class RaceGates {
  /** Session and version of each save that was tried: what two processes have both tried, they have tried over the same version. */
  readonly attempts: string[] = [];
  slowness: Slowness | undefined;
  readonly #holds = new Map<HeldVerb, Hold>();
  #saves = 0;

  /** The same backend behind the gates. Its `close` does nothing, so that several managers may use it. */
  around(backend: Backend, clock: Backend['now']): Backend {
    const journal = can(backend, 'journal') ? backend : undefined;
    return altered(backend, {
      load: (ids, signal) => this.#through('load', ids, () => backend.load(ids, signal)),
      save: async (record, signal) => {
        this.attempts.push(`${record.id} ${record.version}`);
        await this.#linger(() => isStored(backend, record, signal));
        return this.#through('save', [record.id], () => backend.save(record, signal));
      },
      touch: (batch, signal) => {
        const ids = batch.map(({ id }) => id);
        return this.#through('touch', ids, () => backend.touch(batch, signal));
      },
      ...(journal && {
        append: (batch, signal) => {
          const ids = batch.entries.map(({ id }) => id);
          return this.#through('append', ids, () => journal.append(batch, signal));
        },
      }),
      now: clock,
      close: async () => {},
    });
  }

  hold(verb: HeldVerb, mode: HoldMode): void {
    this.release(verb);
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#holds.set(verb, { mode, ids: [], opened, open });
  }

  /** The sessions that calls of `verb` are held for, once there are `count`. @throws Error when they do not come. */
  async held(verb: HeldVerb, count: number): Promise<readonly SessionId[]> {
    const until = performance.now() + PATIENCE;
    for (;;) {
      const ids = this.#holds.get(verb)?.ids ?? [];
      if (ids.length >= count) return [...ids];
      if (performance.now() > until) throw new Error(`${verb}: ${ids.length} are held, not ${count}`);
      await pause(1);
    }
  }

  release(verb: HeldVerb): void {
    this.#holds.get(verb)?.open();
    this.#holds.delete(verb);
  }

  releaseAll(): void {
    for (const verb of [...this.#holds.keys()]) this.release(verb);
  }

  async #through<T>(verb: HeldVerb, ids: readonly SessionId[], call: () => Promise<T>): Promise<T> {
    const hold = this.#holds.get(verb);
    if (hold === undefined) return call();
    if (hold.mode === 'dropped')
      throw new SessionError('BACKEND_DOWN', 'the suite lets nothing through', { retryable: true });
    if (hold.mode === 'before') {
      hold.ids.push(...ids);
      await hold.opened;
      return call();
    }
    const answer = await call();
    hold.ids.push(...ids);
    await hold.opened;
    if (hold.mode === 'after') return answer;
    throw new SessionError('BACKEND_FAILED', 'the suite has cut the answer off', { retryable: true });
  }

  async #linger(met: () => Promise<boolean>): Promise<void> {
    if (this.slowness === undefined) return;
    const { oneIn, least, most, untilMet } = this.slowness;
    this.#saves += 1;
    if (this.#saves % oneIn !== 0) return;
    const long = least + Math.random() * (most - least);
    if (untilMet !== true) return pause(long);
    const until = performance.now() + long;
    do await pause(least);
    while (performance.now() < until && !(await met()));
  }
}

/** Whether a save of this version comes too late. A fault is left to the save itself to tell. */
async function isStored(
  backend: Backend,
  { id, version }: SessionRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const [stored] = await backend.load([id], signal).catch(() => []);
  return stored === undefined || stored instanceof SessionError || stored.version >= version;
}
