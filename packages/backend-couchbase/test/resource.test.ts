import { type LogEntry, processEnvironment } from '@sessionkit/session-core';
import { makeRecord, testEnvironment } from '@sessionkit/testkit';
import { expect, it } from 'vitest';
import type { CouchbaseBackend } from '../src/backend.js';
import { couchbase } from '../src/index.js';
import module from '../src/module.js';
import resource from '../src/resource.js';
import { outcome, signal, startPlace, valid } from './store.js';

const place = await startPlace();
const { url, user, password, bucket } = place;
const LOGIN = { _class: 'couchbase', cluster: url, bucket, user, password };

function backendOf(login: object, section: object = {}, deadline?: number) {
  const entries: LogEntry[] = [];
  const environment = { ...processEnvironment, log: (entry: LogEntry) => void entries.push(entry) };
  const connection = resource.create(valid(resource, { ...LOGIN, ...login }), { environment, deadline });
  place.atEnd(() => resource.close(connection));
  const context = { environment, path: 'session.backend', deadline, resource: () => connection };
  const config = valid(module, { type: 'couchbase', resource: 'store', ...section });
  return { backend: module.create(config, context) as CouchbaseBackend, entries, connection };
}

const issuesOf = (of: Parameters<typeof outcome>[0], section: object) =>
  outcome(of, section).issues?.map(({ path, message }) => `${path.join('.')}: ${message}`);

it('a section of the resource with a mistake is refused by its path, with what to write', () => {
  expect(issuesOf(resource, { ...LOGIN, cluster: 'http://x' })).toEqual([
    'cluster: this is no address of a cluster: write couchbase://HOST or couchbases://HOST, without a user in it',
  ]);
  expect(issuesOf(resource, { ...LOGIN, cluster: 'couchbase://ann:secret@x' })).toHaveLength(1);
  expect(issuesOf(resource, { ...LOGIN, bucket: '' })).toHaveLength(1);
  expect(issuesOf(resource, { ...LOGIN, passwort: 'x' })).toEqual([expect.stringContaining('passwort')]);
});

it('a section of the backend with a mistake is refused by its path, with what to write', () => {
  const section = { type: 'couchbase', resource: 'store' };
  expect(issuesOf(module, { ...section, fields: { ip: 'data' } })).toEqual([
    'fields: "data" already names another member: choose another name',
  ]);
  expect(issuesOf(module, { ...section, fields: { ip: 'x', stop: 'x' } })).toHaveLength(1);
  expect(issuesOf(module, { ...section, key_ns: 'x'.repeat(151) })).toEqual([
    'key_ns: a prefix of 151 bytes leaves no room in a key: choose one of at most 150',
  ]);
  expect(issuesOf(module, { ...section, collection: 'a b' })).toHaveLength(1);
  expect(issuesOf(module, { ...section, durable: 'most' })).toHaveLength(1);
});

it('what is no collection, and options that are not possible, are refused in code', async () => {
  const documents = await place.documents();
  for (const wrong of [undefined, {}, 'x'])
    expect(() => couchbase(wrong as never)).toThrowError(/a collection or a bucket/);
  expect(() => couchbase(documents, { deadline: 0 })).toThrowError(/deadline/);
  expect(() => couchbase(documents, { names: { ip: '' } })).toThrowError(/named ""/);
  expect(() => couchbase(documents, { durable: 'most' as never })).toThrowError(/majority/);
  expect(couchbase(documents).traits.durable).toBe(false);
  expect(couchbase(documents, { durable: true }).traits.durable).toBe(true);
});

it('a wrong password is said in the log, without it, and every verb is a fault', async () => {
  const { backend, entries } = backendOf({ password: 'wrong-password' }, {}, 1_000);
  const record = makeRecord(testEnvironment({ start: Date.now() }));
  await expect(backend.save(record, signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN', retryable: true });
  await expect.poll(() => entries.length, { timeout: 5_000 }).toBeGreaterThan(0);
  expect(entries[0]?.message).toBe('couchbase: no connection yet; it is tried again');
  expect(JSON.stringify(entries)).not.toContain('wrong-password');
});

it('a closed connection leaves nothing open, and a save that waits for it fails', async () => {
  const { backend, connection } = backendOf({});
  const record = makeRecord(testEnvironment({ start: Date.now(), random: 3 }));
  await backend.save(record, signal);
  expect(await backend.load([record.id], signal)).toHaveLength(1);
  await resource.close(connection);
  await expect(backend.load([record.id], signal)).rejects.toMatchObject({ code: 'BACKEND_DOWN' });
});

it('a thread that scans and dies before its first answer fails the list that waits for it; the next has another', async () => {
  const { backend, connection } = backendOf({}, { key_ns: 'thread:' }, 5_000);
  process.once('worker', (worker) => void worker.terminate());
  const begun = performance.now();
  await expect(backend.list({ limit: 1 }, signal)).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
  expect(await backend.list({ limit: 1 }, signal)).toEqual({ items: [], next: undefined });
  expect(performance.now() - begun).toBeLessThan(5_000);
  await resource.close(connection);
});
