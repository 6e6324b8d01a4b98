import type { Environment, Millis } from '@sessionkit/session-core';
import type { Feed, Numbered } from './feed.js';
import type { SessionEvent } from './schemas-events.js';

export interface EventStreamOptions {
  readonly feed: Feed;
  readonly environment: Pick<Environment, 'every'>;
  wants(event: SessionEvent): boolean;
  /** Asked now and then: whether the reader may still read. Never rejects. */
  mayStay(): Promise<boolean>;
}

const HEARTBEAT: Millis = 15_000;
/** When a reader that was cut off comes again. */
const RETRY: Millis = 3_000;
/** Characters that wait for a slow reader: with more it is dropped. */
const MOST_WAITING = 262_144;

/** Why a stream ends, as its last event tells it. */
export const ENDS = {
  stopping: 'The process is shutting down.',
  slow: 'You read too slowly. Events were left out; look at the sessions again.',
  denied: 'Your credentials count no longer.',
} as const;

/**
 * A stream of events (WHATWG HTML section 9.2). It begins to listen when it is first read, holds no more than a bounded number of events for a reader that is slow,
 * and ends with an event `end` that says why.
 */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { feed, environment, wants, mayStay } = options;
  const encoder = new TextEncoder();
  let waiting = '';
  let begun = false;
  let over = false;
  /** The reader has gone. */
  let gone = false;
  let wake: (() => void) | undefined;
  const stops: (() => void)[] = [];

  function send(text: string): void {
    waiting += text;
    wake?.();
    wake = undefined;
  }

  function leave(): void {
    over = true;
    for (const stop of stops.splice(0)) stop();
  }

  function end(reason: keyof typeof ENDS): void {
    if (over) return;
    leave();
    if (reason === 'slow') waiting = '';
    send(`event: end\ndata: ${JSON.stringify({ reason, detail: ENDS[reason] })}\n\n`);
  }

  function tell({ number, event }: Numbered): void {
    if (over || !wants(event)) return;
    const text = `id: ${number}\nevent: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;
    if (waiting.length + text.length > MOST_WAITING) end('slow');
    else send(text);
  }

  async function beat(): Promise<void> {
    if (!(await mayStay())) return end('denied');
    // Whoever has not read what there is needs no sign of life.
    if (!over && waiting === '') send(':\n\n');
  }

  function begin(): void {
    begun = true;
    stops.push(environment.every(HEARTBEAT, () => void beat()));
    send(`retry: ${RETRY}\n:\n\n`);
    stops.push(feed.join({ tell, end: () => end('stopping') }));
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!begun) begin();
        if (waiting === '' && !over) await new Promise<void>((resolve) => (wake = resolve));
        if (gone) return;
        const text = waiting;
        waiting = '';
        if (text !== '') controller.enqueue(encoder.encode(text));
        if (over && waiting === '') controller.close();
      },
      cancel() {
        gone = true;
        leave();
        send('');
      },
    },
    { highWaterMark: 0 },
  );
}
