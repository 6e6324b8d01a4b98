import type { EventEmitter } from 'node:events';
import type * as sdk from 'couchbase';

/** Which keys. */
export interface KeyRange {
  /** Behind this one. */
  readonly after: string;
  /** Up to this one, and it. */
  readonly to: string;
  /** A scan that finds more is given up. */
  readonly most: number;
}

/** Keys in no order. */
export interface Scanned {
  readonly keys: readonly string[];
  /** There are more than were asked for; these are those of some partitions. */
  readonly more: boolean;
}

/**
 * Keys of a collection, by the SDK's range scan. `collection.scan` keeps its thread until the server has said which collection is meant: one round trip, or as long
 * as `timeout` where nobody answers. So it is asked only behind something that was answered.
 *
 * Uses nothing but what it is given: it also runs in a worker, as text.
 */
export async function scanKeys(
  { RangeScan, ScanTerm }: Pick<typeof sdk, 'RangeScan' | 'ScanTerm'>,
  collection: sdk.Collection,
  { after, to, most }: KeyRange,
  timeout: number,
): Promise<Scanned> {
  const begun = performance.now();
  await collection.exists(after, { timeout });
  const left = Math.max(1, Math.floor(timeout - (performance.now() - begun)));
  const found = collection.scan(new RangeScan(new ScanTerm(after, true), new ScanTerm(to)), {
    idsOnly: true,
    concurrency: 64,
    // The SDK takes this for the number of keys in a batch as well.
    batchByteLimit: 15_000,
    timeout: left,
  });
  // A stream, whatever its type says.
  const stream = found as unknown as EventEmitter & { cancelStreaming(): void };
  const keys: string[] = [];
  let more = false;
  await new Promise<void>((resolve, reject) => {
    let fault: unknown;
    stream.on('result', ({ id }: { readonly id: string }) => {
      if (keys.length < most) keys.push(id);
      else if (!more) {
        more = true;
        stream.cancelStreaming();
      }
    });
    stream.on('error', (error: unknown) => {
      fault = error;
    });
    stream.on('end', () => {
      if (fault === undefined || more) resolve();
      else reject(fault);
    });
  });
  return { keys, more };
}
