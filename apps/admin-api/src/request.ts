import { AdminError } from './errors.js';

const BODY_MAX = 65_536;
const NO = new Set(['false', 'no', 'off', '0']);
const YES = new Set(['true', 'yes', 'on', '1']);

/** Path without slashes at its end and with one at its start; those inside stay, and fit no route. */
export function routingPath(request: Request): string {
  const path = new URL(request.url).pathname;
  let start = 0;
  let end = path.length;
  while (path[start + 1] === '/') start++;
  while (end > start + 1 && path[end - 1] === '/') end--;
  return path.slice(start, end);
}

/** Query parameters by lower-case name, but that paths in `filter[…]` stay as they are; of a repeated one the first counts. */
export function queryOf(url: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URL(url).searchParams) {
    const path = /^filter(\[.*)$/is.exec(name)?.[1];
    query[path === undefined ? name.toLowerCase() : `filter${path}`] ??= value;
  }
  return query;
}

export function isPretty(query: Readonly<Record<string, string>>): boolean {
  return !NO.has(query.pretty?.toLowerCase() ?? '');
}

/** Whether the addresses of clients are to be shown as host names. */
export function wantsNames(query: Readonly<Record<string, string>>): boolean {
  return YES.has(query.rdns?.toLowerCase() ?? '');
}

/**
 * The body as JSON, whatever its Content-Type says: clients are known to send a wrong one.
 * @throws AdminError 400, 413
 */
export async function readJson(request: Request): Promise<unknown> {
  const text = await readText(request);
  if (text.trim() === '') throw new AdminError(400, 'Missing request body');
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__') throw new AdminError(400, 'the body: __proto__ is no name');
      return value;
    });
  } catch (error) {
    if (error instanceof AdminError) throw error;
    // The parser's own message quotes the body.
    throw new AdminError(400, 'Invalid JSON in request');
  }
}

async function readText(request: Request): Promise<string> {
  const tooLarge = () => new AdminError(413, `The body is larger than ${BODY_MAX} bytes.`);
  if (Number(request.headers.get('content-length')) > BODY_MAX) throw tooLarge();
  const reader = request.body?.getReader();
  if (reader === undefined) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        // The client has gone: nobody reads this, and it is no fault of ours.
        throw new AdminError(400, 'The body ended too early.');
      });
      if (done) break;
      size += value.byteLength;
      if (size > BODY_MAX) throw tooLarge();
      chunks.push(value);
    }
  } finally {
    // Not cancelled: that would cut the connection before the answer.
    reader.releaseLock();
  }
  return Buffer.concat(chunks).toString('utf8');
}
