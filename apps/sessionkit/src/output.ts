import sonic from 'sonic-boom';

/** More characters than these waiting for a reader who does not read are dropped rather than kept. */
const MOST_WAITING = 16 * 1024 * 1024;
const CLOSE_TIMEOUT = 1_000;

/** The reader is gone for good. */
const GONE = ['EPIPE', 'ECONNRESET', 'EBADF'];

/**
 * Writes lines to a descriptor, such as that of stdout, in the background: a slow reader of a log slows no request down, and one that has gone ends the output and not
 * the process. What else goes wrong, such as a full disk, may be over later: the lines wait as for a slow reader, and go out with a later one.
 */
export class Output {
  readonly #stream: InstanceType<typeof sonic.SonicBoom>;
  #open = true;
  /** Something is on its way. */
  #busy = false;
  #failing = false;
  readonly #waiting = new Set<() => void>();

  /** @param tell is told why lines wait; once until all could be written again */
  constructor(fd: number, tell: (error: Error) => void = () => {}) {
    this.#stream = new sonic.SonicBoom({ fd, sync: false, maxLength: MOST_WAITING });
    this.#stream.on('error', (error: NodeJS.ErrnoException) => {
      const first = !this.#failing;
      this.#failing = true;
      if (GONE.includes(error.code ?? '')) this.#open = false;
      else if (first && this.#open) tell(error);
      this.#rest();
    });
    this.#stream.on('drain', () => {
      this.#failing = false;
      this.#rest();
    });
  }

  write(line: string): void {
    if (!this.#open) return;
    this.#busy = true;
    this.#stream.write(line);
  }

  /** Waits until what was written has gone out, at most a second. */
  async flush(): Promise<void> {
    if (!this.#busy) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, CLOSE_TIMEOUT);
      this.#waiting.add(done);
    });
  }

  #rest(): void {
    this.#busy = false;
    for (const done of this.#waiting) done();
  }

  /** Waits until all is written, at most a second. What is written later is dropped. */
  close(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#open = false;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#stream.once('close', done).once('error', done);
      this.#stream.end();
    });
  }
}
