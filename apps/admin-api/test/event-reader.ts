import { onTestFinished } from 'vitest';

export interface Frame {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A reader of a stream of events that has begun to read. */
export async function reading(body: ReadableStream<Uint8Array> | null) {
  if (body === null) throw new Error('no body');
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const seen = { text: '', done: false };
  const more = async () => {
    const { done, value } = await reader.read();
    seen.done = done;
    if (value !== undefined) seen.text += decoder.decode(value, { stream: true });
  };
  await more();
  onTestFinished(() => reader.cancel());
  const frames = (): Frame[] =>
    [...seen.text.matchAll(/(?:id: (\d+)\n)?event: (\w+)\ndata: (.+)\n\n/g)].map(
      ([, id, event = '', data = '']) => ({
        id,
        event,
        data: JSON.parse(data) as Frame['data'],
      }),
    );
  return {
    seen,
    frames,
    cancel: () => reader.cancel(),
    more,
    async events(count: number): Promise<readonly Frame[]> {
      while (frames().length < count && !seen.done) await more();
      return frames();
    },
    async whole(): Promise<readonly Frame[]> {
      while (!seen.done) await more();
      return frames();
    },
    /** Reads as it comes, for as long as something comes; answers what has come so far by asking again. */
    follow(): () => readonly Frame[] {
      void (async () => {
        while (!seen.done) await more();
      })().catch(() => undefined);
      return frames;
    },
  };
}
