import {
  CasMismatchError,
  type Cluster,
  type Collection,
  DocumentExistsError,
  DocumentNotFoundError,
  LookupInSpec,
  MutateInSpec,
  PathMismatchError,
  PathNotFoundError,
  ValueTooLargeError,
} from 'couchbase';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CouchbaseDouble, startDouble, VBUCKETS } from '../src/index.js';
import { ask, collectionOf, connectTo } from './sdk.js';

let double: CouchbaseDouble;
let cluster: Cluster;
let documents: Collection;

beforeAll(async () => {
  double = await startDouble();
  await ask(double, 'POST', '/pools/default/buckets/sessionkit/scopes', { name: 'shop' });
  await ask(double, 'POST', '/pools/default/buckets/sessionkit/scopes/shop/collections', {
    name: 'sessions',
  });
  cluster = await connectTo(double);
  documents = collectionOf(cluster, double);
});
beforeEach(() => double.clear());
afterAll(async () => {
  await cluster.close();
  await double.close();
});

describe('documents', () => {
  it('are inserted once, and found with what was put in', async () => {
    const { cas } = await documents.insert('one', { n: 1 });
    const found = await documents.get('one');
    expect(found.content).toEqual({ n: 1 });
    expect(found.cas.toString()).toBe(cas.toString());
    await expect(documents.insert('one', { n: 2 })).rejects.toBeInstanceOf(DocumentExistsError);
    expect((await documents.get('one')).content).toEqual({ n: 1 });
  });

  it('are replaced only when they are there, and upserted always', async () => {
    await expect(documents.replace('one', 1)).rejects.toBeInstanceOf(DocumentNotFoundError);
    await documents.upsert('one', 1);
    await documents.replace('one', 2);
    await documents.upsert('one', 3);
    expect((await documents.get('one')).content).toBe(3);
  });

  it('are not there before and after', async () => {
    await expect(documents.get('one')).rejects.toBeInstanceOf(DocumentNotFoundError);
    expect((await documents.exists('one')).exists).toBe(false);
    await documents.insert('one', 1);
    expect((await documents.exists('one')).exists).toBe(true);
    await documents.remove('one');
    expect((await documents.exists('one')).exists).toBe(false);
    await expect(documents.remove('one')).rejects.toBeInstanceOf(DocumentNotFoundError);
  });

  it('keep every key in its partition, also one that is no ASCII', async () => {
    const keys = Array.from({ length: 4 * VBUCKETS }, (_, n) => `key ${n} ä€😀`);
    await Promise.all(keys.map((key, n) => documents.insert(key, n)));
    const found = await Promise.all(keys.map((key) => documents.get(key)));
    expect(found.map(({ content }) => content)).toEqual(keys.map((_, n) => n));
    expect(new Set(await double.keys())).toEqual(new Set(keys));
  });

  it('of another collection are others', async () => {
    const others = cluster.bucket('sessionkit').scope('shop').collection('sessions');
    await others.insert('one', 'other');
    await documents.insert('one', 'own');
    expect((await others.get('one')).content).toBe('other');
    expect((await documents.get('one')).content).toBe('own');
    expect(await double.keys('shop.sessions')).toEqual(['one']);
  });

  it('of more than 20 MB are refused', async () => {
    const most = 20 * 1_024 * 1_024;
    await expect(documents.upsert('one', 'x'.repeat(most + 1))).rejects.toBeInstanceOf(ValueTooLargeError);
    await documents.upsert('one', 'x'.repeat(most));
  }, 60_000);
});

describe('compare and swap', () => {
  it('refuses what was made over another version', async () => {
    const { cas: first } = await documents.insert('one', 1);
    const { cas: second } = await documents.replace('one', 2, { cas: first });
    expect(BigInt(second.toString())).toBeGreaterThan(BigInt(first.toString()));
    await expect(documents.replace('one', 3, { cas: first })).rejects.toBeInstanceOf(CasMismatchError);
    await expect(documents.remove('one', { cas: first })).rejects.toBeInstanceOf(CasMismatchError);
    expect((await documents.get('one')).content).toBe(2);
    await documents.remove('one', { cas: second });
    await expect(documents.replace('one', 3, { cas: second })).rejects.toBeInstanceOf(DocumentNotFoundError);
  });

  it('lets one of many win', async () => {
    const { cas } = await documents.insert('one', -1);
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => documents.replace('one', n, { cas })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('sees a new expiry as a change', async () => {
    const { cas } = await documents.insert('one', 1);
    await documents.touch('one', 60);
    await expect(documents.replace('one', 2, { cas })).rejects.toBeInstanceOf(CasMismatchError);
  });
});

describe('expiry', () => {
  const now = () => Math.floor(Date.now() / 1_000);
  const expiryOf = async (key: string) => (await documents.get(key, { withExpiry: true })).expiryTime ?? 0;

  it('removes a document when its time is over', async () => {
    await documents.insert('one', 1, { expiry: 100 });
    await double.advance(99);
    expect((await documents.get('one')).content).toBe(1);
    await double.advance(2);
    await expect(documents.get('one')).rejects.toBeInstanceOf(DocumentNotFoundError);
    await documents.insert('one', 2);
    await double.advance(-101);
  });

  it('is counted up to 30 days and a time above, as the SDK sends it', async () => {
    const month = 30 * 24 * 3_600;
    await documents.insert('counted', 1, { expiry: month - 1 });
    await documents.insert('a time', 1, { expiry: month + 1 });
    expect(Math.abs((await expiryOf('counted')) - now() - month)).toBeLessThan(3);
    expect(Math.abs((await expiryOf('a time')) - now() - month)).toBeLessThan(3);
  });

  it('is moved by a touch and by a get that touches, and goes with a replacement without one', async () => {
    await documents.insert('one', 1, { expiry: 10 });
    await documents.touch('one', 100);
    expect(Math.abs((await expiryOf('one')) - now() - 100)).toBeLessThan(3);
    expect((await documents.getAndTouch('one', 1_000)).content).toBe(1);
    expect(Math.abs((await expiryOf('one')) - now() - 1_000)).toBeLessThan(3);
    await documents.replace('one', 2);
    expect(await expiryOf('one')).toBe(0);
    await expect(documents.touch('two', 100)).rejects.toBeInstanceOf(DocumentNotFoundError);
  });
});

describe('parts of a document', () => {
  it('are looked up by path', async () => {
    const { cas } = await documents.insert('one', { a: 1, b: { c: 'x' } });
    const specs = ['a', 'b.c', 'none'].map((path) => LookupInSpec.get(path));
    const found = await documents.lookupIn('one', specs);
    expect(found.content.map(({ value }) => value)).toEqual([1, 'x', undefined]);
    expect(found.content[2]?.error).toBeInstanceOf(PathNotFoundError);
    expect(found.cas.toString()).toBe(cas.toString());
    await expect(documents.lookupIn('two', specs)).rejects.toBeInstanceOf(DocumentNotFoundError);
  });

  it('are changed all or none, over the version that was read', async () => {
    const { cas } = await documents.insert('one', { a: 1, b: 2 });
    const specs = [MutateInSpec.upsert('a', 3), MutateInSpec.remove('b')];
    await documents.mutateIn('one', specs, { cas, expiry: 100 });
    expect((await documents.get('one')).content).toEqual({ a: 3 });
    await documents.mutateIn('one', [MutateInSpec.upsert('b', {}), MutateInSpec.upsert('b.c', 'x')]);
    expect((await documents.get('one')).content).toEqual({ a: 3, b: { c: 'x' } });
    await expect(documents.mutateIn('one', [MutateInSpec.upsert('a.b', 1)])).rejects.toBeInstanceOf(
      PathMismatchError,
    );
    await documents.mutateIn('one', [MutateInSpec.remove('b')], { expiry: 100 });
    expect((await documents.get('one', { withExpiry: true })).expiryTime).toBeGreaterThan(0);
    await expect(documents.mutateIn('one', specs, { cas })).rejects.toBeInstanceOf(CasMismatchError);
    await expect(
      documents.mutateIn('one', [MutateInSpec.upsert('a', 4), MutateInSpec.remove('none')]),
    ).rejects.toThrow();
    expect((await documents.get('one')).content).toEqual({ a: 3 });
  });
});
