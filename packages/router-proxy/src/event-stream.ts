import type { ServerResponse } from 'node:http';
import type { EndCause, Millis } from '@sessionkit/session-core';

/** How long an event under way has to end before ours is sent. */
const EVENT_GRACE: Millis = 100;
/** How long a client has to take the last event. */
const CLOSE_GRACE: Millis = 1_000;

/**
 * A stream of events (WHATWG HTML, server-sent events) on its way to a client, which is told by an event of ours when its session ends: between two others and nowhere else.
 */
export class EventStream {
  readonly #response: ServerResponse;
  /** The last bytes that went out. */
  #tail = '\n\n';
  #last: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Undefined for an answer that is none, or one whose events cannot be seen. */
  static of(response: ServerResponse, status: number, fields: readonly string[]): EventStream | undefined {
    const value = (wanted: string) =>
      fields.find((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === wanted);
    if (status !== 200 || !/^text\/event-stream\b/i.test(value('content-type') ?? '')) return undefined;
    if (value('content-encoding') !== undefined || value('content-length') !== undefined) return undefined;
    return new EventStream(response);
  }

  /** Takes note of what goes out. False: the stream has ended with it, and nothing may follow. */
  pass(chunk: Buffer): boolean {
    this.#tail = (this.#tail + chunk.subarray(-4).toString('latin1')).slice(-4);
    if (this.#last === undefined || !this.#whole) return true;
    this.#end();
    return false;
  }

  /** Sends `event: end` with the cause, and ends the stream. False: it waits for the end of the event under way, and `cut` is called when that does not come. */
  end(cause: EndCause | undefined, cut: () => void): boolean {
    this.#last = `event: end\ndata: ${JSON.stringify({ cause: cause ?? 'killed' })}\n\n`;
    if (this.#whole) {
      this.#end();
      return true;
    }
    this.#timer = setTimeout(cut, EVENT_GRACE);
    return false;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  get #whole(): boolean {
    return /(?:\n\n|\r\r|\r\n\r\n)$/.test(this.#tail);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#response.end(this.#last);
    this.#timer = setTimeout(() => this.#response.destroy(), CLOSE_GRACE);
  }
}
