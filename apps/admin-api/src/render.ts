const INDENT = 4;

/** JSON with its keys sorted; indented by 4 spaces when `pretty`. */
export function render(document: unknown, pretty: boolean): string {
  return JSON.stringify(sorted(document), null, pretty ? INDENT : undefined);
}

/**
 * The text of `{data: […], …tail}` in pieces, byte for byte what {@link render} makes of the whole. Holds one list of rows at a time. An empty piece is a
 * chance to stop.
 *
 * @param rows in lists, their keys sorted: of many rows each look counts.
 * @param tail is called after the last row. Its names stand behind `data`.
 */
export async function* renderCollection(
  rows: AsyncGenerator<readonly unknown[], void, void>,
  tail: () => object,
  pretty: boolean,
): AsyncGenerator<string, void, void> {
  const end = pretty ? '\n    ' : '';
  let text = render({ data: [] }, pretty).replace(/\].*$/s, '');
  let first = true;
  for await (const data of rows) {
    if (data.length > 0) {
      // Between the same brackets and at the same depth as in the whole.
      const list = JSON.stringify({ data }, null, pretty ? INDENT : undefined);
      text += (first ? '' : ',') + list.slice(list.indexOf('[') + 1, list.lastIndexOf(']') - end.length);
      first = false;
    }
    yield first ? '' : text;
    if (!first) text = '';
  }
  const whole = render({ data: [], ...tail() }, pretty);
  yield `${text}${first ? '' : end}${whole.slice(whole.indexOf(']'))}`;
}

/**
 * A body that asks for the next piece only when the client has taken the one before, and for none when the client has gone.
 *
 * @param onError is told of a fault after the head has gone out. True: it has cut the connection. False: the body is errored, without the reason, since
 * servers are known to write an error's message into the answer.
 */
export function toBody(
  pieces: AsyncGenerator<string, void, void>,
  onError: (error: unknown) => boolean,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let gone = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const piece = await pieces.next();
            if (gone) return;
            if (piece.done) return controller.close();
            if (piece.value !== '') return controller.enqueue(encoder.encode(piece.value));
          }
        } catch (error) {
          // Either way no half list looks like a whole one.
          if (!gone && !onError(error)) controller.error(new Error('the answer cannot be finished'));
        }
      },
      async cancel() {
        gone = true;
        await pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The value with its keys sorted at every depth. */
export function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || isSorted(value)) return value;
  if (Array.isArray(value)) return value.map(sorted);
  // Without a prototype, so that a key `__proto__` is one like any other.
  const result: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    result[key] = sorted(member);
  return result;
}

/** Documents are written in the order of their keys, so a copy is the exception. */
function isSorted(value: object): boolean {
  let before = '';
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value) && key < before) return false;
    if (typeof member === 'object' && member !== null && !isSorted(member)) return false;
    before = key;
  }
  return true;
}
