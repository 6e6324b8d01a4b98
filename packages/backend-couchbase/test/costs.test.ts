import type { SessionId, SessionRecord } from '@sessionkit/session-core';
import { startRelayedCouchbase } from '@sessionkit/test-stores/couchbase';
import { LONG, print } from '@sessionkit/test-stores/run';
import { makeRecord, nextRecord, testEnvironment } from '@sessionkit/testkit';
import { afterAll, expect, it } from 'vitest';
import { couchbase } from '../src/index.js';
import { connectTo, newPrefix, signal } from './store.js';

// Operations are counted on their way.
const server = await startRelayedCouchbase();
const cluster = await connectTo(server);
const documents = cluster.bucket(server.bucket).defaultCollection();
afterAll(async () => {
  await cluster.close();
  await server.stop();
});

const SESSIONS = LONG ? 20_000 : 6_000;
/** A page asks each partition, once or a few times. */
const partitions = await server.management.partitions();

const tell = (line: string) => print(`${server.name}: ${line}`);

it('each verb asks for as many documents as it needs, and no more', { timeout: 60_000 }, async () => {
  const environment = testEnvironment({ start: Date.now(), random: 9 });
  // Busy machines may take their time: only operations are counted.
  const options = { prefix: newPrefix(), deadline: 60_000 };
  const backend = couchbase(documents, options);
  const other = couchbase(documents, options);
  const now = environment.now();
  const records = Array.from({ length: 100 }, () => makeRecord(environment));
  await Promise.all(records.map((record) => backend.save(record, signal)));
  const ids = records.map(({ id }) => id);
  const [first, second] = [records[0] ?? expect.fail(), records[1] ?? expect.fail()];
  const saved: SessionRecord = nextRecord(environment, first, { data: '{"n":1}' });
  const fresh = makeRecord(environment);
  const own = makeRecord(environment, { user: 'ann' });
  const how = { at: now, cause: 'logout', by: undefined, keepUntil: now } as const;
  // Long ago: entries of a user's document are looked at again, where their session is not found.
  const cats = Array.from({ length: 21 }, () => makeRecord(environment, { user: 'cat' }));
  const early = couchbase(documents, { ...options, now: () => now - 600_000 });
  for (const cat of cats) await early.save(cat, signal);
  const kept = { ...how, keepUntil: now + 600_000 };
  await early.end(
    cats.slice(1).map(({ id }) => id),
    kept,
    signal,
  );
  const claim = { service: 'shop', user: 'bob', id: fresh.id, at: now, max: 1, full: 'refuse' } as const;
  const link = { id: first.id, process: 'one', since: now, detail: {} };
  const touches = (at: number) => ids.map((id) => ({ id, epoch: 0, seenAt: at }));
  const entries = ids.map((id) => ({ id, at: now, kind: 'log', text: 'x' }) as const);

  const verbs: Record<string, [Record<string, number>, () => Promise<unknown>]> = {
    'load of one': [{ get: 2 }, () => backend.load([first.id], signal)],
    'load of 100': [{ get: 200 }, () => backend.load(ids, signal)],
    'save of a new session': [{ insert: 2 }, () => backend.save(fresh, signal)],
    'save of a new session of a user': [{ get: 1, insert: 3 }, () => backend.save(own, signal)],
    'save of what was loaded': [{ replace: 1 }, () => backend.save(saved, signal)],
    'save again': [{ lookupIn: 1 }, () => backend.save(saved, signal)],
    'save of what another process loaded': [
      { lookupIn: 1, replace: 1 },
      () => other.save(nextRecord(environment, second, {}), signal),
    ],
    'save that lost the race': [
      { replace: 1, lookupIn: 1 },
      () => backend.save(nextRecord(environment, second, {}), signal),
    ],
    'touch of 100': [
      { lookupIn: 100, get: 100, replace: 100 },
      () => backend.touch(touches(now + 9), signal),
    ],
    'touch of 100 that come late': [
      { lookupIn: 100, get: 100 },
      () => backend.touch(touches(now + 5), signal),
    ],
    'list of a user': [{ get: 2, lookupIn: 1 }, () => backend.list({ limit: 9, user: 'ann' }, signal)],
    'list of a user, who has one open session and 20 that have ended': [
      { get: 2, lookupIn: 21 },
      () => backend.list({ limit: 9, user: 'cat', state: 'open' }, signal),
    ],
    'list of the sessions of a user that have ended': [
      { get: 1, lookupIn: 21 },
      () => backend.list({ limit: 30, user: 'cat', state: 'ended' }, signal),
    ],
    'count of a user': [{ get: 1, lookupIn: 21 }, () => backend.count({ user: 'cat' }, signal)],
    claim: [{ get: 1, insert: 1 }, () => backend.claim(claim, signal)],
    'append to 100 journals': [
      { lookupIn: 100, get: 100, insert: 100 },
      () => backend.append({ batchId: 'b', entries }, signal),
    ],
    'read of 100 journals': [{ get: 100 }, () => backend.read(ids, signal)],
    'first announcement': [
      { upsert: 1, get: 1, insert: 1 },
      () => backend.announce('one', [link], 60_000, signal),
    ],
    'next announcement': [{ upsert: 1 }, () => backend.announce('one', [link], 60_000, signal)],
    present: [{ get: 2 }, () => backend.present(ids, signal)],
    now: [{ get: 1 }, () => backend.now(signal)],
    'end of 100': [{ lookupIn: 100, get: 100, mutateIn: 100 }, () => backend.end(ids, how, signal)],
    'end of 100 that have ended': [{ lookupIn: 100, get: 100 }, () => backend.end(ids, how, signal)],
  };
  for (const [name, [wanted, run]] of Object.entries(verbs)) {
    await server.counts();
    await run();
    // Clients ask for the configuration now and then.
    const { clusterConfig: _, ...counts } = await server.counts();
    tell(`${name.padEnd(38)} ${JSON.stringify(counts)}`);
    expect(counts, name).toEqual(wanted);
  }
});

it('a page reads at most some thousand ids, whatever the store holds', { timeout: 600_000 }, async () => {
  const environment = testEnvironment({ start: Date.now(), random: 10 });
  const backend = couchbase(documents, { prefix: newPrefix(), deadline: 60_000 });
  const ids: SessionId[] = [];
  for (let done = 0; done < SESSIONS; done += 500) {
    const records = Array.from({ length: 500 }, () => makeRecord(environment));
    await Promise.all(records.map((record) => backend.save(record, signal)));
    for (const { id } of records) ids.push(id);
  }
  ids.sort();
  // A scan sees what is on disk, which a server writes a moment later.
  await expect.poll(() => backend.count({}, signal), { timeout: 60_000 }).toBe(SESSIONS);
  for (const [name, at] of Object.entries({
    first: -1,
    'from the middle': SESSIONS / 2,
    last: SESSIONS - 5,
  })) {
    await server.counts();
    const began = performance.now();
    const page = await backend.list({ limit: 50, after: ids[at] }, signal);
    const ms = performance.now() - began;
    const { scanCreate = 0, lookupIn = 0 } = await server.counts();
    expect(page.items.map(({ id }) => id)).toEqual(ids.slice(at + 1, at + 51));
    tell(
      `page "${name}" of ${SESSIONS} sessions: ${scanCreate} partitions asked, ${lookupIn} heads read, ${ms.toFixed(0)} ms`,
    );
    expect(lookupIn).toBeLessThanOrEqual(51 + 4 * 51);
    expect(scanCreate).toBeLessThanOrEqual(partitions * 3);
  }
});
