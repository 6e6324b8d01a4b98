/** How many turns of the microtask queue a body that is there as a whole takes to say so, at the most. */
const TURNS = 12;

/**
 * Whether a body is known to be there as a whole without looking at it. The `Response` of @hono/node-server remembers what it was made of until somebody asks for its body, and
 * to ask costs more than all else that is done here. Of any other the answer is no, and {@link follow} finds out.
 */
export function isWhole(response: Response): boolean {
  const memory = Object.getOwnPropertySymbols(response).find(({ description }) => description === 'cache');
  if (memory === undefined) return false;
  const made: unknown = Reflect.get(response, memory);
  if (!Array.isArray(made)) return false;
  const body: unknown = made[1];
  return body === null || typeof body === 'string' || body instanceof Uint8Array;
}

export interface BodyEnd {
  /** Something is to be done before the end of the body is seen. */
  pending(): boolean;
  /** Does it. When it rejects the body breaks off. */
  read(): Promise<void>;
  /** The body was read to its end, or nobody will do that. */
  over(): void;
}

/**
 * Reads a body along, so that what is still to be stored is stored before its end. One that is there as a whole, a text for example, stays so; of a stream no more than
 * two chunks are taken before they are asked for.
 */
export async function follow(
  body: ReadableStream<Uint8Array>,
  end: BodyEnd,
): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  const reader = body.getReader();
  const taken = [reader.read()];
  const first = await soon(taken[0]);
  if (first !== undefined) {
    if (!first.done) taken.push(reader.read());
    const last = first.done ? first : await soon(taken[1]);
    if (last?.done === true && !end.pending()) {
      end.over();
      return first.value ?? new Uint8Array();
    }
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await (taken.shift() ?? reader.read());
          if (!done) {
            controller.enqueue(value);
            return;
          }
          await end.read();
          controller.close();
        } catch (error) {
          end.over();
          throw error;
        }
        end.over();
      },
      cancel(reason) {
        end.over();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** What a read answers, if it does so within some microtasks: a failed one is read again by whoever reads the stream. */
function soon<T>(read: Promise<T> | undefined): Promise<T | undefined> {
  return Promise.race([read, turns()]).catch(() => undefined);
}

async function turns(): Promise<undefined> {
  for (let i = 0; i < TURNS; i++) await undefined;
}
