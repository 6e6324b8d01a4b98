import type { Stored } from './bucket.js';
import { type Reply, STATUS } from './protocol.js';

// https://github.com/couchbase/kv_engine/blob/master/docs/SubDocument.md: as much of it as members of an object need.
const PATHS = {
  getDocument: 0x00,
  get: 0xc5,
  exists: 0xc6,
  upsert: 0xc8,
  remove: 0xc9,
  replace: 0xca,
} as const;

/** Set where a path does not lead into the document's own JSON. */
const XATTR = 0x04;
/** When the document expires, as the server knows it: https://docs.couchbase.com/server/current/learn/data/extended-attributes-fundamentals.html */
const EXPIRY = '$document.exptime';

interface Spec {
  readonly code: number;
  readonly flags: number;
  readonly path: string;
  readonly value: string;
}

/** Answers a lookup of several paths. */
export function lookedUp({ value: document, expiry }: Stored, request: Buffer): Omit<Reply, 'cas'> {
  const whole = parsed(document);
  const answers = specsIn(request, false).map(({ code, flags, path }) => {
    if ((flags & XATTR) !== 0)
      return path === EXPIRY && code === PATHS.get
        ? { status: STATUS.success, value: Buffer.from(`${expiry}`) }
        : { status: STATUS.pathNotFound };
    if (code === PATHS.getDocument) return { status: STATUS.success, value: document };
    if (code !== PATHS.get && code !== PATHS.exists) return { status: STATUS.unknownCommand };
    if (whole === undefined) return { status: STATUS.notJson };
    const found = at(whole, path);
    if (typeof found === 'number') return { status: found };
    return { status: STATUS.success, value: code === PATHS.get ? Buffer.from(found) : Buffer.alloc(0) };
  });
  return {
    status: answers.every(({ status }) => status === STATUS.success)
      ? STATUS.success
      : STATUS.multiPathFailure,
    value: Buffer.concat(
      answers.map(({ status, value = Buffer.alloc(0) }) => {
        const head = Buffer.alloc(6);
        head.writeUInt16BE(status, 0);
        head.writeUInt32BE(value.length, 2);
        return Buffer.concat([head, value]);
      }),
    ),
  };
}

/** The document after the changes of a request; a reply when one of them could not be made, and so none was. */
export function changed(document: Buffer, request: Buffer): Buffer | Reply {
  const whole = parsed(document);
  for (const [index, spec] of specsIn(request, true).entries()) {
    const status = whole === undefined ? STATUS.notJson : statusOfChange(whole, spec);
    if (status === STATUS.success) continue;
    const body = Buffer.alloc(3);
    body[0] = index;
    body.writeUInt16BE(status, 1);
    return { status: STATUS.multiPathFailure, value: body };
  }
  return Buffer.from(JSON.stringify(whole));
}

/** Makes one change; its parent has to be there. */
function statusOfChange(whole: unknown, { code, path, value }: Spec): number {
  const names = path.split('.');
  const last = names.pop() ?? '';
  if (path === '' || /[[\]`]/.test(path)) return STATUS.pathInvalid;
  let parent = whole;
  for (const name of names) {
    if (!isObject(parent)) return STATUS.pathMismatch;
    if (!Object.hasOwn(parent, name)) return STATUS.pathNotFound;
    parent = parent[name];
  }
  if (!isObject(parent)) return STATUS.pathMismatch;
  const there = Object.hasOwn(parent, last);
  if (code !== PATHS.upsert && !there) return STATUS.pathNotFound;
  if (code === PATHS.upsert || code === PATHS.replace) parent[last] = JSON.parse(value);
  else if (code === PATHS.remove) delete parent[last];
  else return STATUS.unknownCommand;
  return STATUS.success;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* specsOf(request: Buffer, withValue: boolean): Generator<Spec> {
  const head = withValue ? 8 : 4;
  for (let start = 0; start < request.length; ) {
    const pathAt = start + head;
    const valueAt = pathAt + request.readUInt16BE(start + 2);
    const end = withValue ? valueAt + request.readUInt32BE(start + 4) : valueAt;
    yield {
      code: request.readUInt8(start),
      flags: request.readUInt8(start + 1),
      path: request.toString('utf8', pathAt, valueAt),
      value: request.toString('utf8', valueAt, end),
    };
    start = end;
  }
}

function specsIn(request: Buffer, withValue: boolean): Spec[] {
  return [...specsOf(request, withValue)];
}

function parsed(document: Buffer): unknown {
  try {
    return JSON.parse(document.toString());
  } catch {
    return undefined;
  }
}

/** JSON of a member, or the status that says why there is none. Components with backticks and array places are not needed here. */
function at(whole: unknown, path: string): string | number {
  if (path === '' || /[[\]`]/.test(path)) return STATUS.pathInvalid;
  let value = whole;
  for (const name of path.split('.')) {
    if (!isObject(value)) return STATUS.pathMismatch;
    if (!Object.hasOwn(value, name)) return STATUS.pathNotFound;
    value = value[name];
  }
  return JSON.stringify(value);
}
