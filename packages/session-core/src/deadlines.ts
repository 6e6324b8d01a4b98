import type { Millis } from './environment.js';
import { SessionError, toSessionError } from './errors.js';

/**
 * A call in the line. It stays there for a while after the call has settled, so that nothing that leads to the answer may be left in it. And it is a class:
 * V8 comes to put literals that live so long straight into the old generation, together with what they are made with, which here is the promise of the
 * answer. Rows of a long list then pile up there, to a tenth of the heap and more.
 */
class Entry {
  constructor(
    readonly what: string,
    readonly at: Millis,
    readonly controller: AbortController,
    /** Undefined once the call has settled. */
    public reject: ((error: SessionError) => void) | undefined,
  ) {}
}

const CHECK_INTERVAL = 100;

/**
 * Deadlines without a timer per call: all of one store are equally long, so they expire in the order in which they were set, and one
 * unref'd interval looks at the head of the line. It runs only while something waits.
 */
export class Deadlines {
  readonly #length: Millis;
  #line: Entry[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(length: Millis) {
    this.#length = length;
  }

  /**
   * Runs `verb` with a signal. If it has not settled in time the signal aborts, the call fails with `BACKEND_DOWN`, and a later answer is ignored.
   */
  run<T>(what: string, verb: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const controller = new AbortController();
      const entry = new Entry(what, performance.now() + this.#length, controller, reject);
      this.#line.push(entry);
      this.#timer ??= this.#start();
      started(verb, controller.signal).then(
        (value) => {
          entry.reject = undefined;
          resolve(value);
        },
        (error: unknown) => {
          entry.reject = undefined;
          reject(toSessionError(error, `${what} failed`));
        },
      );
    });
  }

  #start(): NodeJS.Timeout {
    const timer = setInterval(() => this.#check(), CHECK_INTERVAL);
    timer.unref();
    return timer;
  }

  #check(): void {
    const now = performance.now();
    let kept = 0;
    while (kept < this.#line.length) {
      const entry = this.#line[kept];
      if (entry === undefined || (entry.reject !== undefined && entry.at > now)) break;
      if (entry.reject !== undefined) {
        const message = `${entry.what}: no answer within ${this.#length} ms`;
        entry.reject(new SessionError('BACKEND_DOWN', message, { retryable: true }));
        entry.reject = undefined;
        entry.controller.abort();
      }
      kept++;
    }
    if (kept > 0) this.#line = this.#line.slice(kept);
    if (this.#line.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** A verb that throws at once fails like one that rejects. */
async function started<T>(verb: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return verb(signal);
}
