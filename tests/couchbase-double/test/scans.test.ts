import type { EventEmitter } from 'node:events';
import { type Cluster, type Collection, PrefixScan, RangeScan, ScanTerm, type ScanType } from 'couchbase';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CouchbaseDouble, type CouchbaseRelay, startDouble } from '../src/index.js';
import { collectionOf, connectTo, relayed } from './sdk.js';

let double: CouchbaseDouble;
let relay: CouchbaseRelay;
let cluster: Cluster;
let documents: Collection;
const keys = Array.from({ length: 1_000 }, (_, n) => `a:${`${n}`.padStart(4, '0')}`);

beforeAll(async () => {
  double = await startDouble();
  const before = await relayed(double);
  relay = before;
  cluster = await connectTo({ ...double, url: before.url });
  documents = collectionOf(cluster, double);
  await Promise.all([...keys, 'b:1', `${'c'.repeat(200)}`].map((key) => documents.insert(key, 1)));
});
afterAll(async () => {
  await cluster.close();
  await relay.close();
  await double.close();
});

async function scanned(type: ScanType, concurrency = 8, batchByteLimit = 100): Promise<string[]> {
  const found = await documents.scan(type, { idsOnly: true, concurrency, batchByteLimit });
  return found.map(({ id }) => id).sort();
}

it('a scan by prefix finds all keys with it and no other', async () => {
  expect(await scanned(new PrefixScan('a:'))).toEqual(keys);
  expect(await scanned(new PrefixScan('b'))).toEqual(['b:1']);
  expect(await scanned(new PrefixScan('none'))).toEqual([]);
});

it('a scan of a range begins and ends where it is told, with or without the ends', async () => {
  const [from, to] = [keys[10] ?? '', keys[20] ?? ''];
  expect(await scanned(new RangeScan(new ScanTerm(from), new ScanTerm(to)))).toEqual(keys.slice(10, 21));
  expect(await scanned(new RangeScan(new ScanTerm(from, true), new ScanTerm(to, true)))).toEqual(
    keys.slice(11, 20),
  );
  expect(await scanned(new RangeScan(undefined, new ScanTerm(to)))).toEqual(keys.slice(0, 21));
});

it('a key that is longer than one byte can tell is found', async () => {
  expect(await scanned(new PrefixScan('c'))).toEqual(['c'.repeat(200)]);
});

it('small batches are continued, partition by partition', async () => {
  await relay.counts();
  expect(await scanned(new PrefixScan('a:'), 1, 20)).toEqual(keys);
  const { scanCreate = 0, scanContinue = 0 } = await relay.counts();
  expect(scanCreate).toBe(64);
  expect(scanContinue).toBeGreaterThan(200);
});

it('a scan that is given up is cancelled', async () => {
  const found = documents.scan(new PrefixScan('a:'), { idsOnly: true, concurrency: 1, batchByteLimit: 20 });
  // The SDK's types say a promise of all; its own guide shows a stream.
  const scan = found as unknown as EventEmitter & { cancelStreaming(): void };
  await relay.counts();
  let seen = 0;
  await new Promise<void>((resolve, reject) => {
    scan.on('result', () => {
      seen += 1;
      if (seen === 1) scan.cancelStreaming();
    });
    scan.on('error', reject);
    scan.on('end', resolve);
  });
  expect(seen).toBeLessThan(20);
  await expect.poll(async () => (await relay.counts()).scanCancel, { timeout: 5_000 }).toBe(1);
});
