const INDENT = 4;

/** JSON with its keys sorted; indented by 4 spaces when `pretty`. */
export function render(document: unknown, pretty: boolean): string {
  return JSON.stringify(sorted(document), null, pretty ? INDENT : undefined);
}

/**
 * The text of `{data: […], links: {self}}` in pieces, one per page, byte for byte what {@link render} makes of the whole. Holds one page at a time.
 *
 * @param pages of items whose keys are sorted: of many items each look counts.
 */
export async function* renderPages(
  pages: AsyncIterable<readonly unknown[]>,
  self: string,
  pretty: boolean,
): AsyncGenerator<string, void, void> {
  const [head, tail] = frame(self, pretty);
  const end = pretty ? '\n    ' : '';
  let text = head;
  let first = true;
  for await (const data of pages) {
    if (data.length > 0) {
      // Between the same brackets and at the same depth as in the whole.
      const page = JSON.stringify({ data }, null, pretty ? INDENT : undefined);
      text += (first ? '' : ',') + page.slice(page.indexOf('[') + 1, page.lastIndexOf(']') - end.length);
      first = false;
    }
    if (text !== '') yield text;
    text = '';
  }
  yield `${text}${first ? '' : end}${tail}`;
}

/** What stands before and after the items. */
function frame(self: string, pretty: boolean): readonly [string, string] {
  const text = render({ data: [], links: { self } }, pretty);
  const at = text.indexOf(']');
  return [text.slice(0, at), text.slice(at)];
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
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await pieces.next();
          if (piece.done) controller.close();
          else controller.enqueue(encoder.encode(piece.value));
        } catch (error) {
          // Either way no half list looks like a whole one.
          if (!onError(error)) controller.error(new Error('the answer cannot be finished'));
        }
      },
      async cancel() {
        await pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

function sorted(value: unknown): unknown {
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
