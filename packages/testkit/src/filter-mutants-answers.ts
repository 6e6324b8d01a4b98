import type { ServerResponse } from 'node:http';
import { type FilterMutant, mishandling } from './filter-mutants.js';

type Writer = (...given: unknown[]) => unknown;

/** Meddles with an answer before it is written. */
const meddling = (name: string, meddle: (response: ServerResponse) => void): FilterMutant =>
  mishandling(name, () => ({ response }, pass) => {
    meddle(response);
    return pass();
  });

/** Puts something in the place of a method of the response. */
function replace(
  response: ServerResponse,
  method: 'writeHead' | 'write' | 'end' | 'addTrailers' | 'flushHeaders' | 'writeEarlyHints' | 'destroy',
  by: (sound: Writer, ...given: unknown[]) => unknown,
): void {
  const sound = (response[method] as Writer).bind(response);
  Object.assign(response, { [method]: (...given: unknown[]) => by(sound, ...given) });
}

const changed = (given: readonly unknown[], change: (value: unknown) => unknown) => given.map(change);

export const answerMutants: readonly FilterMutant[] = [
  meddling('adds a field', (response) => void response.setHeader('X-Filter', 'was here')),
  meddling('has an opinion on the status', (response) =>
    replace(response, 'writeHead', (sound, status, ...rest) => sound(status === 204 ? 200 : status, ...rest)),
  ),
  meddling('has words of its own for the status', (response) =>
    replace(response, 'writeHead', (sound, ...given) =>
      sound(...given.filter((one) => typeof one !== 'string')),
    ),
  ),
  meddling('writes names of fields in lower case', (response) =>
    replace(response, 'writeHead', (sound, ...given) =>
      sound(
        ...changed(given, (one) =>
          Array.isArray(one) ? one.map((text, i) => (i % 2 === 0 ? String(text).toLowerCase() : text)) : one,
        ),
      ),
    ),
  ),
  meddling('takes bytes for text', (response) =>
    replace(response, 'end', (sound, ...given) =>
      sound(...changed(given, (one) => (Buffer.isBuffer(one) ? one.toString() : one))),
    ),
  ),
  meddling('forgets the encoding of a text', (response) =>
    replace(response, 'write', (sound, chunk) => sound(chunk)),
  ),
  meddling('drops trailers', (response) => replace(response, 'addTrailers', () => undefined)),
  meddling('drops early hints', (response) =>
    replace(response, 'writeEarlyHints', (_sound, _hints, done) => (done as () => void)()),
  ),
  meddling('holds the head back until there is a body', (response) =>
    replace(response, 'flushHeaders', () => undefined),
  ),
  meddling('collects the body', (response) => {
    const parts: unknown[][] = [];
    let write: Writer = () => true;
    replace(response, 'write', (sound, ...given) => {
      write = sound;
      parts.push(given);
      return true;
    });
    replace(response, 'end', (sound, ...given) => {
      for (const part of parts) write(...part);
      return sound(...given);
    });
  }),
  meddling('says that there is always room for more', (response) =>
    replace(response, 'write', (sound, ...given) => {
      sound(...given);
      return true;
    }),
  ),
  meddling('ends an answer that is to be cut', (response) =>
    replace(response, 'destroy', () => response.end()),
  ),
];
