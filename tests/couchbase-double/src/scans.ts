import { randomBytes } from 'node:crypto';
import type { Bucket } from './bucket.js';
import { asLeb128, type Reply, STATUS } from './protocol.js';

// https://github.com/couchbase/kv_engine/tree/master/docs/range_scans
interface Scan {
  readonly vbucket: number;
  readonly keys: readonly string[];
  next: number;
}

interface Asked {
  readonly collection?: string;
  readonly key_only?: boolean;
  readonly range?: {
    readonly start?: string;
    readonly excl_start?: string;
    readonly end?: string;
    readonly excl_end?: string;
  };
}

/** Scans that are under way on one connection; they end with it. Keys only. */
export class Scans {
  readonly #bucket: Bucket;
  readonly #open = new Map<string, Scan>();

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  create(vbucket: number, value: Buffer): Reply {
    const { collection = '0', key_only: keysOnly, range } = JSON.parse(value.toString()) as Asked;
    if (range === undefined || keysOnly !== true) return { status: STATUS.invalid };
    const keys = this.#bucket.keys(Number.parseInt(collection, 16), rangeOf(range), vbucket);
    if (keys.length === 0) return { status: STATUS.notFound };
    const id = randomBytes(16);
    this.#open.set(id.toString('hex'), { vbucket, keys, next: 0 });
    return { status: STATUS.success, value: id };
  }

  continue(vbucket: number, extras: Buffer): Reply {
    const id = extras.toString('hex', 0, 16);
    const scan = this.#open.get(id);
    if (scan === undefined) return { status: STATUS.notFound };
    if (scan.vbucket !== vbucket) return { status: STATUS.invalid };
    const mostKeys = extras.readUInt32BE(16) || Number.POSITIVE_INFINITY;
    const mostBytes = extras.readUInt32BE(24) || Number.POSITIVE_INFINITY;
    const parts: Buffer[] = [];
    let bytes = 0;
    for (let sent = 0; sent < mostKeys && bytes < mostBytes && scan.next < scan.keys.length; sent++) {
      const key = Buffer.from(scan.keys[scan.next++] ?? '', 'latin1');
      parts.push(asLeb128(key.length), key);
      bytes += key.length + 1;
    }
    const complete = scan.next === scan.keys.length;
    if (complete) this.#open.delete(id);
    // Keys without documents.
    const extrasOut = Buffer.alloc(4);
    return {
      status: complete ? STATUS.scanComplete : STATUS.scanMore,
      extras: extrasOut,
      value: Buffer.concat(parts),
    };
  }

  cancel(extras: Buffer): Reply {
    return { status: this.#open.delete(extras.toString('hex', 0, 16)) ? STATUS.success : STATUS.notFound };
  }
}

/** Keys are compared byte by byte, which latin1 does. */
function rangeOf(range: NonNullable<Asked['range']>): (key: string) => boolean {
  const text = (base64: string | undefined) =>
    base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('latin1');
  const [start, after, end, before] = [range.start, range.excl_start, range.end, range.excl_end].map(text);
  return (key) =>
    (start === undefined || key >= start) &&
    (after === undefined || key > after) &&
    (end === undefined || key <= end) &&
    (before === undefined || key < before);
}
