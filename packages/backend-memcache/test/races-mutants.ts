import { randomBytes } from 'node:crypto';
import { type Backend, SessionError, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import type { RaceMutants } from '@sessionkit/test-stores/race-mutants';
import { type Address, type Alteration, altered } from '@sessionkit/testkit';
import { MemcacheBackend } from '../src/backend.js';
import { decode, encode } from '../src/codec.js';
import { checked } from '../src/options.js';
import { save } from '../src/records.js';
import { storing } from '../src/server.js';
import { MemcacheStore } from '../src/store.js';
import { clientOf, signal } from './harness.js';

const TTL = 3_600;

/** Stores whatever is there: no version, no end, no compare and swap. */
async function upsert(store: MemcacheStore, record: SessionRecord): Promise<true> {
  const value = encode(record, store.options.names, store.options.maxRecordBytes);
  const { id, seenAt } = record;
  await store
    .serverOf(id)
    .change(
      [storing('set', store.seen(id), `${seenAt}`, TTL), storing('set', store.record(id), value, TTL)],
      signal,
    );
  return true;
}

/** Takes the end away from what has ended. */
async function revive(store: MemcacheStore, id: SessionId): Promise<void> {
  const value = (await store.serverOf(id).gets([store.record(id)], signal)).get(store.record(id))?.value;
  const record = value === undefined ? undefined : decode(id, value, store.options.names);
  if (record !== undefined && !(record instanceof SessionError) && record.ended !== undefined)
    await upsert(store, { ...record, ended: undefined });
}

/** The adapter with one rule taken out of one of its verbs. */
const MUTANTS = {
  'a save that upserts': (store) => ({ save: (record) => upsert(store, record) }),
  'a first save that upserts': (store) => ({
    save: (record, signal) => (record.version === 1 ? upsert(store, record) : save(store, record, signal)),
  }),
  'a save that forgets its write ids': (store) => ({
    save: (record, signal) => save(store, { ...record, writes: [randomBytes(9).toString('hex')] }, signal),
  }),
  'a touch that revives': (store, backend) => ({
    async touch(batch, signal) {
      await Promise.all(batch.map(({ id }) => revive(store, id)));
      return backend.touch(batch, signal);
    },
  }),
  'an entry that revives': (store, backend) => ({
    async append(batch, signal) {
      await Promise.all(batch.entries.map(({ id }) => revive(store, id)));
      return backend.append(batch, signal);
    },
  }),
} as const satisfies Record<string, (store: MemcacheStore, backend: MemcacheBackend) => Alteration>;

type MutantName = keyof typeof MUTANTS;

export const mutants: RaceMutants<MutantName> = {
  names: Object.keys(MUTANTS) as MutantName[],
  upserting: 'a save that upserts',
  make: mutantOf,
};

/** The backend with this rule broken, on a client and under keys of its own. */
async function mutantOf(name: MutantName, [at]: readonly Address[]): Promise<Backend> {
  const client = clientOf({ host: at?.host ?? '', port: at?.port ?? 0 });
  const prefix = `mutant:${mutants.names.indexOf(name)}:`;
  const store = new MemcacheStore([client], checked({ prefix, log: () => {} }));
  const backend = new MemcacheBackend(store);
  return altered(backend, {
    ...MUTANTS[name](store, backend),
    async close() {
      await backend.close();
      client.shutdown();
    },
  });
}
