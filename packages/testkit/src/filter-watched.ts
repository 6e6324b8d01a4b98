import type { Exchange, Filter, FilterSession, FilterTarget } from '@sessionkit/session-core';

/** A filter with somebody beside it who sees whether it keeps to its part. */
export class WatchedFilter implements Filter {
  readonly type = 'watched';
  readonly #inner: Filter;
  opened = 0;
  closed = 0;
  /** Requests that it has, and is not done with. */
  running = 0;
  handled = 0;
  passed = 0;
  answered = 0;
  /** What it did that no filter may do. */
  readonly wrongs: string[] = [];
  /** Lines that it wrote into the logs of sessions. */
  readonly logged: string[] = [];
  /** What it was given and has to let go of. */
  readonly targets: WeakRef<object>[] = [];
  readonly given: WeakRef<object>[] = [];
  /** Rejects with the first thing that `open` threw. */
  readonly refused: Promise<never>;
  #refuse: (fault: unknown) => void = () => {};

  constructor(inner: Filter) {
    this.#inner = inner;
    this.refused = new Promise((_resolve, reject) => {
      this.#refuse = reject;
    });
    this.refused.catch(() => {});
  }

  async open(target: FilterTarget): Promise<FilterSession> {
    // One of its own for each session that is opened, so that it is seen whether it is kept.
    const own: FilterTarget = {
      ...target,
      log: (level, message) => {
        this.logged.push(message);
        target.log(level, message);
      },
    };
    this.targets.push(new WeakRef(own));
    const session = await this.#open(own);
    this.opened += 1;
    let closes = 0;
    return {
      handle: (exchange, next) => this.#handle(session, exchange, next),
      close: async () => {
        closes += 1;
        this.closed += 1;
        if (closes > 1) this.wrongs.push('a filter session was closed again');
        await session.close();
      },
    };
  }

  async #open(target: FilterTarget): Promise<FilterSession> {
    try {
      return await this.#inner.open(target);
    } catch (fault) {
      this.#refuse(fault);
      throw fault;
    }
  }

  async #handle(session: FilterSession, exchange: Exchange, next: () => Promise<void>): Promise<void> {
    const { request, response } = exchange;
    this.given.push(new WeakRef(exchange), new WeakRef(request), new WeakRef(response));
    let passes = 0;
    let over = false;
    this.running += 1;
    this.handled += 1;
    try {
      await session.handle(exchange, () => {
        passes += 1;
        if (passes > 1) this.wrongs.push('a request was passed on again');
        if (response.headersSent) this.wrongs.push('a request was answered and passed on');
        this.passed += 1;
        return next().finally(() => {
          over = true;
        });
      });
      if (passes > 0 && !over) this.wrongs.push('it was done with a request before its answer was');
      if (passes === 0) this.answered += 1;
      if (passes === 0 && !response.headersSent && !response.destroyed)
        this.wrongs.push('a request was neither passed on nor answered');
    } finally {
      this.running -= 1;
    }
  }
}
