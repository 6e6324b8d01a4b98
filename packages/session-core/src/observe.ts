import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** Told of an answer as it is written, by whoever writes it: an upstream's, a filter's or a problem document. */
export interface AnswerObserver {
  /**
   * The head, before the fields of the session are put into it. Names are in lower case; of a field that is there several times the value is a list.
   */
  head?(status: number, fields: Readonly<Record<string, string | readonly string[]>>): void;
  data?(chunk: Buffer): void;
  /** Once: the answer is written whole, or was cut. */
  end?(complete: boolean): void;
}

/**
 * Looks on while an answer is written. What it sees goes out as it is, and at the same time: an observer delays and changes nothing. Fields that are on the
 * response already (the session's `Vary`) are not those of the answer, unless its writer sets them again.
 */
export function observeAnswer(response: ServerResponse, observer: AnswerObserver): void {
  const { writeHead, write, end } = response;
  const foreign = fieldsBefore(response);
  let headSeen = false;
  let over = false;

  const seeHead = (status: number, given: unknown) => {
    if (headSeen) return;
    headSeen = true;
    observer.head?.(status, fieldsOf(response, given, foreign));
  };
  const seeData = (chunk: unknown, encoding: unknown) => {
    seeHead(response.statusCode, undefined);
    if (observer.data === undefined || over) return;
    if (typeof chunk === 'string') {
      const coding = typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8';
      if (chunk !== '') observer.data(Buffer.from(chunk, coding));
    } else if (chunk instanceof Uint8Array && chunk.byteLength > 0) {
      observer.data(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    }
  };
  const finish = (complete: boolean) => {
    if (over) return;
    over = true;
    observer.end?.(complete);
  };

  response.writeHead = ((...given: [number, ...unknown[]]) => {
    const answer = writeHead.apply(response, given as Parameters<ServerResponse['writeHead']>);
    const last = given.at(-1);
    seeHead(given[0], given.length > 1 && typeof last === 'object' ? last : undefined);
    return answer;
  }) as ServerResponse['writeHead'];
  response.write = ((...given: Parameters<ServerResponse['write']>) => {
    seeData(given[0], given[1]);
    return write.apply(response, given);
  }) as ServerResponse['write'];
  response.end = ((...given: unknown[]) => {
    seeData(typeof given[0] === 'function' ? undefined : given[0], given[1]);
    finish(true);
    return end.apply(response, given as Parameters<ServerResponse['end']>);
  }) as ServerResponse['end'];
  response.once('close', () => finish(response.writableFinished));
}

/** Names of the fields that are there now, less those that are set from now on. */
function fieldsBefore(response: ServerResponse): ReadonlySet<string> {
  const names = new Set(response.getHeaderNames());
  if (names.size === 0) return names;
  const { setHeader, appendHeader } = response;
  response.setHeader = (name, value) => {
    names.delete(String(name).toLowerCase());
    return setHeader.call(response, name, value) as ServerResponse;
  };
  response.appendHeader = (name, value) => {
    names.delete(String(name).toLowerCase());
    return appendHeader.call(response, name, value) as ServerResponse;
  };
  return names;
}

function fieldsOf(
  response: ServerResponse,
  given: unknown,
  foreign: ReadonlySet<string>,
): Record<string, string | readonly string[]> {
  const fields: Record<string, string | string[]> = Object.create(null);
  const add = (name: string, value: unknown) => {
    const values = Array.isArray(value) ? value.map(String) : [String(value)];
    const key = name.toLowerCase();
    const before = fields[key];
    const all = before === undefined ? values : [...[before].flat(), ...values];
    const [only] = all;
    fields[key] = all.length === 1 && only !== undefined ? only : all;
  };
  for (const [name, value] of Object.entries(response.getHeaders()))
    if (value !== undefined && !foreign.has(name)) add(name, value);
  const written = Array.isArray(given)
    ? inPairs(given)
    : Object.entries((given ?? {}) as OutgoingHttpHeaders);
  for (const [name] of written) delete fields[name.toLowerCase()];
  for (const [name, value] of written) if (value !== undefined) add(name, value);
  return fields;
}

/** Node takes a list of fields flat or in pairs. */
function inPairs(list: readonly unknown[]): [string, unknown][] {
  if (list.every(Array.isArray)) return list as unknown as [string, unknown][];
  const pairs: [string, unknown][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([String(list[i]), list[i + 1]]);
  return pairs;
}
