import {
  AmbiguousTimeoutError,
  type Cluster,
  type Collection,
  CouchbaseError,
  DurabilityAmbiguousError,
  DurabilityImpossibleError,
  DurabilityLevel,
  RequestCanceledError,
  UnambiguousTimeoutError,
} from 'couchbase';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type CouchbaseDouble, STATUS, startDouble } from '../src/index.js';
import { collectionOf, connectTo } from './sdk.js';

let double: CouchbaseDouble;
let cluster: Cluster;
let documents: Collection;

beforeAll(async () => {
  double = await startDouble();
  cluster = await connectTo(double);
  documents = collectionOf(cluster, double);
});
afterEach(() => double.heal());
afterAll(async () => {
  await cluster.close();
  await double.close();
});

const ended = (doing: Promise<unknown>) =>
  doing.then(
    () => undefined,
    (error: unknown) => error,
  );

it('a wrong password, user or bucket gets no connection', async () => {
  await expect(connectTo(double, { password: 'wrong' })).rejects.toBeInstanceOf(CouchbaseError);
  const other = { ...double, settings: { ...double.settings, user: 'other' } };
  await expect(connectTo(other)).rejects.toBeInstanceOf(CouchbaseError);
  const strange = cluster.bucket('strange').defaultCollection();
  await expect(strange.get('one', { timeout: 500 })).rejects.toBeInstanceOf(CouchbaseError);
});

it('a temporary failure is asked again by the SDK, until its time is over', async () => {
  await double.inject({ operation: 'upsert', what: STATUS.temporaryFailure, times: 2 });
  await double.counts();
  await documents.upsert('one', 1);
  expect((await double.counts()).upsert).toBe(3);
  await double.inject({ operation: 'upsert', what: STATUS.temporaryFailure });
  expect(await ended(documents.upsert('one', 2, { timeout: 300 }))).toBeInstanceOf(CouchbaseError);
  await double.heal();
  expect((await documents.get('one')).content).toBe(1);
});

it('no answer is a timeout: ambiguous for a write that was sent, not for a read', async () => {
  await double.inject({ operation: 'get', what: 'silence', times: 1 });
  await double.inject({ operation: 'replace', what: 'silence', applied: true, times: 1 });
  await documents.upsert('two', 1);
  expect(await ended(documents.get('two', { timeout: 200 }))).toBeInstanceOf(UnambiguousTimeoutError);
  expect(await ended(documents.replace('two', 2, { timeout: 200 }))).toBeInstanceOf(AmbiguousTimeoutError);
  expect((await documents.get('two')).content).toBe(2);
});

it('a write whose connection is cut is not sent again, and its outcome is not known; a read is', async () => {
  await documents.upsert('three', 1);
  await double.inject({ operation: 'replace', what: 'cut', applied: true, times: 1 });
  await double.counts();
  expect(await ended(documents.replace('three', 2))).toBeInstanceOf(RequestCanceledError);
  expect((await documents.get('three')).content).toBe(2);
  expect((await double.counts()).replace).toBe(1);
  await double.inject({ operation: 'get', what: 'cut', times: 1 });
  expect((await documents.get('three')).content).toBe(2);
  expect((await double.counts()).get).toBe(2);
});

it('durability is granted at each level while it is possible, and refused when not', async () => {
  const levels = [
    DurabilityLevel.Majority,
    DurabilityLevel.MajorityAndPersistOnMaster,
    DurabilityLevel.PersistToMajority,
  ];
  for (const durabilityLevel of levels) await documents.upsert('four', durabilityLevel, { durabilityLevel });
  await double.durable(false);
  for (const durabilityLevel of levels)
    expect(await ended(documents.upsert('four', 'x', { durabilityLevel }))).toBeInstanceOf(
      DurabilityImpossibleError,
    );
  expect((await documents.get('four')).content).toBe(DurabilityLevel.PersistToMajority);
  await double.heal();
  await double.inject({ operation: 'upsert', what: STATUS.durabilityAmbiguous, times: 1 });
  const [durabilityLevel = DurabilityLevel.Majority] = levels;
  expect(await ended(documents.upsert('four', 'x', { durabilityLevel }))).toBeInstanceOf(
    DurabilityAmbiguousError,
  );
});

it('a node that is stopped keeps its documents, and the SDK finds it again', async () => {
  await documents.upsert('five', 1);
  await double.stop();
  expect(await ended(documents.get('five', { timeout: 300 }))).toBeInstanceOf(UnambiguousTimeoutError);
  await double.start();
  await expect
    .poll(async () => (await documents.get('five', { timeout: 500 })).content, { timeout: 10_000 })
    .toBe(1);
});

it('a client that asks for another network is told its address', async () => {
  await double.advertise('by-name', { host: '127.0.0.1', port: double.port });
  const other = await connectTo(double, { query: '?network=by-name' });
  expect((await collectionOf(other, double).exists('five')).exists).toBe(true);
  const before = await double.connections();
  await other.close();
  await expect.poll(() => double.connections(), { timeout: 5_000 }).toBeLessThan(before);
});
