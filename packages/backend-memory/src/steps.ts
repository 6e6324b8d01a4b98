import type { Millis } from '@sessionkit/session-core';

const STEP: Millis = 4;
const CALLS_PER_LOOK = 16;

/** Cuts long work into steps of some ms, so that requests are answered in between. */
export class Steps {
  #until = performance.now() + STEP;
  #calls = 0;

  /** Whether this step has lasted long enough; to be asked once per small piece of work. */
  over(): boolean {
    return ++this.#calls % CALLS_PER_LOOK === 0 && performance.now() >= this.#until;
  }

  /** Ends the step; the next one begins when the event loop has gone round. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#until = performance.now() + STEP;
  }
}
