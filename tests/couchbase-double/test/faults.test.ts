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
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CouchbaseDouble, type CouchbaseRelay, STATUS, startDouble } from '../src/index.js';
import { ask, collectionOf, connectTo, relayed } from './sdk.js';

let double: CouchbaseDouble;
let relay: CouchbaseRelay;
let cluster: Cluster;
let documents: Collection;

beforeAll(async () => {
  double = await startDouble();
  const before = await relayed(double);
  relay = before;
  cluster = await connectTo({ ...double, url: before.url });
  documents = collectionOf(cluster, double);
});
afterEach(() => relay.heal());
afterAll(async () => {
  await cluster.close();
  await relay.close();
  await double.close();
});

const ended = (doing: Promise<unknown>) =>
  doing.then(
    () => undefined,
    (error: unknown) => error,
  );

it('a wrong password, user or bucket gets no connection', async () => {
  await expect(connectTo(double, 'wrong')).rejects.toBeInstanceOf(CouchbaseError);
  const other = { ...double, settings: { ...double.settings, user: 'other' } };
  await expect(connectTo(other)).rejects.toBeInstanceOf(CouchbaseError);
  const strange = cluster.bucket('strange').defaultCollection();
  await expect(strange.get('one', { timeout: 500 })).rejects.toBeInstanceOf(CouchbaseError);
});

it('a temporary failure is asked again by the SDK, until its time is over', async () => {
  await relay.inject({ operation: 'upsert', what: STATUS.temporaryFailure, times: 2 });
  await relay.counts();
  await documents.upsert('one', 1);
  expect((await relay.counts()).upsert).toBe(3);
  await relay.inject({ operation: 'upsert', what: STATUS.temporaryFailure });
  expect(await ended(documents.upsert('one', 2, { timeout: 300 }))).toBeInstanceOf(CouchbaseError);
  await relay.heal();
  expect((await documents.get('one')).content).toBe(1);
});

it('no answer is a timeout: ambiguous for a write that was sent, not for a read', async () => {
  await relay.inject({ operation: 'get', what: 'silence', times: 1 });
  await relay.inject({ operation: 'replace', what: 'silence', applied: true, times: 1 });
  await documents.upsert('two', 1);
  expect(await ended(documents.get('two', { timeout: 200 }))).toBeInstanceOf(UnambiguousTimeoutError);
  expect(await ended(documents.replace('two', 2, { timeout: 200 }))).toBeInstanceOf(AmbiguousTimeoutError);
  expect((await documents.get('two')).content).toBe(2);
});

it('a write whose connection is cut is not sent again, and its outcome is not known; a read is', async () => {
  await documents.upsert('three', 1);
  await relay.inject({ operation: 'replace', what: 'cut', applied: true, times: 1 });
  await relay.counts();
  expect(await ended(documents.replace('three', 2))).toBeInstanceOf(RequestCanceledError);
  expect((await documents.get('three')).content).toBe(2);
  expect((await relay.counts()).replace).toBe(1);
  await relay.inject({ operation: 'get', what: 'cut', times: 1 });
  expect((await documents.get('three')).content).toBe(2);
  expect((await relay.counts()).get).toBe(2);
});

it('durability is granted at each level while it is possible, and refused when not', async () => {
  const levels = [
    DurabilityLevel.Majority,
    DurabilityLevel.MajorityAndPersistOnMaster,
    DurabilityLevel.PersistToMajority,
  ];
  for (const durabilityLevel of levels) await documents.upsert('four', durabilityLevel, { durabilityLevel });
  await relay.inject({ durable: true, what: STATUS.durabilityImpossible });
  await documents.upsert('five', 'no durability was asked for');
  for (const durabilityLevel of levels)
    expect(await ended(documents.upsert('four', 'x', { durabilityLevel }))).toBeInstanceOf(
      DurabilityImpossibleError,
    );
  expect((await documents.get('four')).content).toBe(DurabilityLevel.PersistToMajority);
  await relay.heal();
  await relay.inject({ operation: 'upsert', what: STATUS.durabilityAmbiguous, times: 1 });
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

it('a client that asks for the network `external` comes by the address that was set for it, and another one does not', async () => {
  const before = await relay.connections();
  const direct = await connectTo({ ...double, url: `${double.url}?network=default` });
  expect((await collectionOf(direct, double).exists('five')).exists).toBe(true);
  expect(await relay.connections()).toBe(before);
  // It is told the way where it asks first, by whichever address.
  const other = await connectTo({ ...double, url: `${double.url}?network=external` });
  await relay.counts();
  expect((await collectionOf(other, double).exists('five')).exists).toBe(true);
  expect((await relay.counts()).getMeta).toBe(1);
  const open = await relay.connections();
  expect(open).toBeGreaterThan(before);
  await other.close();
  await expect.poll(() => relay.connections(), { timeout: 5_000 }).toBeLessThan(open);
  await direct.close();
});

it('a relay that is stopped is a node that is away, and the SDK finds it again', async () => {
  await documents.upsert('six', 1);
  await relay.stop();
  expect(await ended(documents.get('six', { timeout: 300 }))).toBeInstanceOf(UnambiguousTimeoutError);
  expect(await relay.connections()).toBe(0);
  await relay.start();
  await expect
    .poll(async () => (await documents.get('six', { timeout: 500 })).content, { timeout: 10_000 })
    .toBe(1);
});

describe('the REST interface', () => {
  const external = '/node/controller/setupAlternateAddresses/external';
  const nodes = async () =>
    ((await ask(double, 'GET', '/pools/default/nodeServices')).body as { nodesExt: object[] }).nodesExt;

  it('sets an alternate address in the place of the one before, and takes it away', async () => {
    const set = (form: Record<string, string>) => ask(double, 'PUT', external, form);
    expect((await set({ kv: '1' })).status).toBe(400);
    expect((await set({ hostname: 'one.example', kv: '1' })).status).toBe(200);
    expect((await set({ hostname: 'two.example', kv: '2' })).status).toBe(200);
    const services = { kv: double.port, mgmt: Number(new URL(double.management).port) };
    expect(await nodes()).toEqual([
      {
        thisNode: true,
        hostname: '127.0.0.1',
        services,
        alternateAddresses: { external: { hostname: 'two.example', ports: { kv: 2 } } },
      },
    ]);
    expect((await ask(double, 'DELETE', external)).status).toBe(200);
    expect(await nodes()).toEqual([{ thisNode: true, hostname: '127.0.0.1', services }]);
  });

  it('answers nobody without the password, and only what it knows', async () => {
    expect((await ask(double, 'GET', '/pools/default/nodeServices', undefined, 'wrong')).status).toBe(401);
    expect((await ask(double, 'GET', '/pools/default/b/strange')).status).toBe(404);
    expect((await ask(double, 'GET', '/pools/default/b/sessionkit')).body).toHaveProperty('vBucketServerMap');
  });

  it('adds scopes and collections once', async () => {
    const scopes = '/pools/default/buckets/sessionkit/scopes';
    const add = async (path: string, name: string) => (await ask(double, 'POST', path, { name })).status;
    expect(await add(`${scopes}/shop/collections`, 'sessions')).toBe(400);
    expect([await add(scopes, 'shop'), await add(scopes, 'shop')]).toEqual([200, 400]);
    expect(await add(`${scopes}/shop/collections`, 'sessions')).toBe(200);
    expect(await add(`${scopes}/shop/collections`, 'sessions')).toBe(400);
    expect((await ask(double, 'GET', scopes)).body).toMatchObject({
      scopes: [
        { name: '_default', collections: [{ name: '_default' }] },
        { name: 'shop', collections: [{ name: 'sessions' }] },
      ],
    });
  });
});
