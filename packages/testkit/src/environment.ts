import { createHash, randomBytes } from 'node:crypto';
import type { Environment, LogEntry, Millis } from '@sessionkit/session-core';

/** Where a {@link TestClock} stands at first: noon UTC of 1 June 2026. */
export const TEST_START: Millis = Date.UTC(2026, 5, 1, 12);

interface Timer {
  readonly interval: Millis;
  readonly order: number;
  readonly task: () => void;
  due: Millis;
}

/**
 * The true time of a test, turned by hand. The environments of several processes share one, each with its own skew, so that
 * turning it moves them all and runs the repeating tasks of all in the order in which they fall due.
 */
export class TestClock {
  readonly #timers = new Set<Timer>();
  #now: Millis;
  #order = 0;

  constructor(start: Millis = TEST_START) {
    this.#now = start;
  }

  now(): Millis {
    return this.#now;
  }

  /** Calls `task` every `interval` ms of turned time; answers a function that stops it. */
  every(interval: Millis, task: () => void): () => void {
    if (!(interval > 0)) throw new RangeError(`an interval must be above 0 ms, not ${interval}`);
    const timer: Timer = { interval, order: this.#order++, task, due: this.#now + interval };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many repeating tasks are not stopped; a closed process leaves none behind. */
  get running(): number {
    return this.#timers.size;
  }

  /**
   * Moves the time on by `ms`. Each task that falls due runs at its instant; what it starts gets a turn of the event loop
   * before the next instant. Ends when everything due has run and has had such a turn.
   */
  async advance(ms: Millis): Promise<void> {
    const end = this.#now + forward(ms);
    for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) {
      this.#now = Math.max(this.#now, next.due);
      next.due += next.interval;
      next.task();
      await turn();
    }
    this.#now = end;
    await turn();
  }

  /**
   * Moves the time on by `ms` at once and runs nothing, as if the process had been suspended. A task missed meanwhile runs
   * once at the next {@link advance}, not once per missed interval.
   */
  jump(ms: Millis): void {
    this.#now += forward(ms);
    for (const timer of this.#timers) {
      const missed = Math.floor((this.#now - timer.due) / timer.interval);
      if (missed > 0) timer.due += missed * timer.interval;
    }
  }

  #nextDue(end: Millis): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due > end) continue;
      if (next === undefined || timer.due < next.due || (timer.due === next.due && timer.order < next.order))
        next = timer;
    }
    return next;
  }
}

export interface TestEnvironmentOptions {
  /** The clock to live by; a new one by default. Processes of one test share one. */
  readonly clock?: TestClock | undefined;
  /** Where a new clock starts, ms of the Unix epoch. Default {@link TEST_START}. Not with `clock`. */
  readonly start?: Millis | undefined;
  /** How far this process' clock is ahead of the true one, ms; negative: behind. Default 0. */
  readonly skew?: Millis | undefined;
  /**
   * Seed of the random bytes, which are then the same in every run; `'real'` for those of `node:crypto`. By default the first
   * environment on a clock has 1, the second 2, and so on.
   */
  readonly random?: number | 'real' | undefined;
}

/** An {@link Environment} whose clock is turned by hand, whose randomness can be repeated and whose log is kept. */
export interface TestEnvironment extends Environment {
  readonly clock: TestClock;
  /** May be changed while a test runs: a clock that was set. */
  skew: Millis;
  /** Everything logged, oldest first. */
  readonly entries: LogEntry[];
  /** {@link TestClock.advance} of {@link clock}: moves every process that shares it. */
  advance(ms: Millis): Promise<void>;
}

export function testEnvironment(options: TestEnvironmentOptions = {}): TestEnvironment {
  const clock = options.clock ?? new TestClock(options.start);
  const made = (environmentsOn.get(clock) ?? 0) + 1;
  environmentsOn.set(clock, made);
  const seed = options.random ?? made;
  const environment: TestEnvironment = {
    clock,
    skew: options.skew ?? 0,
    entries: [],
    now: () => clock.now() + environment.skew,
    random: seed === 'real' ? (bytes) => randomBytes(bytes) : seededRandom(seed),
    every: (interval, task) => clock.every(interval, task),
    log: (entry) => {
      environment.entries.push(entry);
    },
    advance: (ms) => clock.advance(ms),
  };
  return environment;
}

const environmentsOn = new WeakMap<TestClock, number>();

/** SHA-256 of seed and counter: repeats with the seed, and no two calls answer the same bytes. */
export function seededRandom(seed: number): (bytes: number) => Uint8Array {
  let block = 0;
  return (bytes) => {
    const out = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 32) {
      const digest = createHash('sha256').update(`${seed}:${block++}`).digest();
      out.set(digest.subarray(0, Math.min(32, bytes - at)), at);
    }
    return out;
  };
}

function forward(ms: Millis): Millis {
  if (ms >= 0) return ms;
  throw new RangeError(`a clock is turned forward only, not by ${ms} ms`);
}

/** Lets everything that is ready run: promises, and what was put off with setImmediate. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
