import { type ServerResponse, validateHeaderValue } from 'node:http';
import { types } from 'node:util';

/** What `ServerResponse.writeHead` takes after the status. */
export type HeadArguments = readonly [statusCode: number, reason?: unknown, headers?: unknown];

/**
 * Puts the arguments of `writeHead` into the response as if they had been set one by one, so that fields can still be merged with them. What node refuses is
 * refused here too, at once and with node's codes.
 */
export function takeHead(response: ServerResponse, [statusCode, reason, headers]: HeadArguments): void {
  const status = statusCode | 0;
  if (status < 100 || status > 999) {
    throw coded(new RangeError(`Invalid status code: ${statusCode}`), 'ERR_HTTP_INVALID_STATUS_CODE');
  }
  if (typeof reason === 'string') {
    validateHeaderValue('statusMessage', reason);
    response.statusMessage = reason;
  }
  response.statusCode = status;
  setGiven(response, headers ?? (typeof reason === 'string' ? undefined : reason));
}

/** Fields in any form that `writeHead` takes: an object, a flat list of names and values, or a list of pairs. */
function setGiven(response: ServerResponse, given: unknown): void {
  if (given === undefined || given === null || typeof given !== 'object') return;
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) response.setHeader(name, value);
    return;
  }
  const flat: readonly unknown[] = Array.isArray(given[0]) ? given.flat(1) : given;
  if (flat.length % 2 !== 0) {
    throw coded(
      new TypeError('The list of headers must have a value for every name'),
      'ERR_INVALID_ARG_VALUE',
    );
  }
  const names = new Set<string>();
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    const known = names.has(String(name).toLowerCase());
    names.add(String(name).toLowerCase());
    if (known) response.appendHeader(name, value);
    else response.setHeader(name, value);
  }
}

/** Refuses what `write` and `end` refuse, at once and with node's codes. */
export function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || types.isUint8Array(chunk)) return;
  const code = chunk === null ? 'ERR_STREAM_NULL_VALUES' : 'ERR_INVALID_ARG_TYPE';
  throw coded(new TypeError('The "chunk" argument must be a string or an instance of Uint8Array'), code);
}

/** An error with the `code` that node gives it. */
export function coded<E extends Error>(error: E, code: string): E & { readonly code: string } {
  return Object.assign(error, { code });
}
