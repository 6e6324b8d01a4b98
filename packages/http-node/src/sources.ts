import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';

/** The streams that the application pipes into an answer while it is held. If another answer takes its place they must not stay open for good. */
export class Sources {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #open = new Set<Readable>();
  readonly #add = (source: Readable) => {
    this.#open.add(source);
  };
  readonly #remove = (source: Readable) => {
    this.#open.delete(source);
  };

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    response.on('pipe', this.#add).on('unpipe', this.#remove);
  }

  forget(): void {
    this.#response.off('pipe', this.#add).off('unpipe', this.#remove);
    this.#open.clear();
  }

  /** Destroys them once the answer is out: `pipeline` then fails, `pipe` stops. The request itself is left for node to drain. */
  destroyAfter(): void {
    const sources = [...this.#open].filter((source) => source !== this.#request);
    this.forget();
    if (sources.length === 0) return;
    this.#response.once('finish', () => {
      for (const source of sources) source.destroy();
    });
  }
}
