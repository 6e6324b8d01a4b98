import type { Environment, Millis } from './environment.js';
import { SessionError } from './errors.js';

const REPORTED: Millis = 5_000;
const UNFIT: Millis = 60_000;

/** What the clock needs of its store. */
export interface ClockStore {
  readonly environment: Environment;
  /** The clock of the store, asked now; undefined when it has none. */
  askTime(): Promise<Millis | undefined>;
  complain(message: string, error: unknown): void;
}

/** The time by which sessions of a store are judged: that of the process, corrected by the clock of the store. */
export class StoreClock {
  readonly #store: ClockStore;
  #offset: Millis = 0;
  #known = false;
  #has = false;
  #reading: Promise<void> | undefined;

  constructor(store: ClockStore) {
    this.#store = store;
  }

  now(): Millis {
    return this.#store.environment.now() + this.#offset;
  }

  /** Clock of the store minus clock of the process; undefined when the store has none or was not asked yet. */
  get offset(): Millis | undefined {
    return this.#has ? this.#offset : undefined;
  }

  /** Undefined once the clock of the store is known; before the first judgement wait for it. Rejects as the store does. */
  get starting(): Promise<void> | undefined {
    if (this.#known) return undefined;
    this.#reading ??= this.read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async read(): Promise<void> {
    const { environment } = this.#store;
    const before = environment.now();
    const store = await this.#store.askTime();
    const after = environment.now();
    if (store !== undefined && !Number.isFinite(store)) {
      throw new SessionError('BACKEND_FAILED', 'its clock is not a number', { retryable: true });
    }
    this.#offset = store === undefined ? 0 : Math.round(store - (before + after) / 2);
    this.#known = true;
    this.#has = store !== undefined;
    if (Math.abs(this.#offset) <= REPORTED) return;
    this.#store.complain(
      `its clock is ${this.#offset} ms off this process'; sessions are judged by the store's`,
      undefined,
    );
  }

  /** Why the two clocks are too far apart to serve by; undefined when they are not. */
  get unfit(): string | undefined {
    if (Math.abs(this.#offset) <= UNFIT) return undefined;
    return `its clock is ${Math.round(this.#offset / 1000)} s off this process'`;
  }
}
