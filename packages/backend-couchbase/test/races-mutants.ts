import { type Backend, can, type SessionId } from '@sessionkit/session-core';
import { couchbaseLogin } from '@sessionkit/test-stores/couchbase';
import { type RaceMutants, withMembers } from '@sessionkit/test-stores/race-mutants';
import { type Address, altered } from '@sessionkit/testkit';
import { type Collection, connect, DocumentNotFoundError, MutateInSpec } from 'couchbase';
import { couchbase } from '../src/index.js';
import { digest, Keys } from '../src/options.js';
import { prefixOf } from './store-harness.js';

/** A collection with some of its methods replaced. */
type Edit = (
  documents: Collection,
  keys: Keys,
) => Partial<Pick<Collection, 'get' | 'insert' | 'replace' | 'lookupIn'>>;

const isSession = (keys: Keys, key: string) =>
  keys.session('s') === key.slice(0, keys.session('s').length) && !keys.idIn(key).includes(':');
const isUser = (keys: Keys, key: string) => keys.idIn(key).startsWith('user:');

const upserting = (documents: Collection, keys: Keys): Pick<Collection, 'insert'> => ({
  insert: async (key: string, value: unknown, options?: object) =>
    isSession(keys, key)
      ? documents.upsert(key, value, options ?? {})
      : documents.insert(key, value, options ?? {}),
});

/** What is looked up of a session, changed before the adapter sees it. */
const lookingUp = (
  documents: Collection,
  change: (session: Record<string, unknown>) => void,
): Pick<Collection, 'lookupIn'> => ({
  lookupIn: async (...asked: Parameters<Collection['lookupIn']>) => {
    const found = await documents.lookupIn(...asked);
    const session = found.content[0]?.value as Record<string, unknown> | undefined;
    if (session !== undefined) change(session);
    return found;
  },
});

/** The SDK as the adapter uses it, with one rule taken out. */
const COLLECTIONS = {
  'a save that upserts': (documents, keys) => ({
    ...upserting(documents, keys),
    ...lookingUp(documents, (session) => {
      delete session.ended;
    }),
    replace: async (key: string, value: unknown, options?: { readonly cas?: unknown }) => {
      const { cas, ...rest } = options ?? {};
      return isSession(keys, key)
        ? documents.upsert(key, value, rest)
        : documents.replace(key, value, { ...rest, ...(cas === undefined ? {} : { cas: `${cas}` }) });
    },
  }),
  'a first save that upserts': upserting,
  'a save that forgets its write ids': (documents) =>
    lookingUp(documents, (session) => {
      session.writes = [];
    }),
  'a claim that does not see the other claims': (documents, keys) => ({
    get: async (key: string, options?: object) => {
      if (isUser(keys, key)) throw new DocumentNotFoundError();
      return documents.get(key, options ?? {});
    },
    insert: async (key: string, value: unknown, options?: object) =>
      isUser(keys, key)
        ? documents.upsert(key, value, options ?? {})
        : documents.insert(key, value, options ?? {}),
  }),
} as const satisfies Record<string, Edit>;

const VERBS = ['a touch that revives', 'an entry that revives'] as const;

type MutantName = keyof typeof COLLECTIONS | (typeof VERBS)[number];

export const mutants: RaceMutants<MutantName> = {
  names: [...Object.keys(COLLECTIONS), ...VERBS] as MutantName[],
  upserting: 'a save that upserts',
  make: mutantOf,
};

/** The backend with this rule broken, under a prefix and on a cluster of its own. */
async function mutantOf(name: MutantName, [at]: readonly Address[]): Promise<Backend> {
  const { user, password, bucket } = couchbaseLogin();
  const url = `couchbase://${at?.host}:${at?.port}?network=default`;
  const cluster = await connect(url, { username: user, password });
  const prefix = prefixOf(`mutant ${digest(name).slice(0, 8)}`);
  const keys = new Keys(prefix);
  const documents = cluster.bucket(bucket).defaultCollection();
  const edit = COLLECTIONS[name as keyof typeof COLLECTIONS] as Edit | undefined;
  const backend = couchbase(
    edit === undefined ? documents : withMembers<Collection>(documents, edit(documents, keys)),
    { prefix, deadline: 30_000 },
  );
  const revive = async (ids: readonly SessionId[]) => {
    const specs = [MutateInSpec.remove('session.ended')];
    await Promise.allSettled(ids.map((id) => documents.mutateIn(keys.session(id), specs, { expiry: 600 })));
  };
  return altered(backend, {
    ...(name === 'a touch that revives' && {
      async touch(batch, signal) {
        const missed = await backend.touch(batch, signal);
        await revive(batch.map(({ id }) => id));
        return missed;
      },
    }),
    ...(name === 'an entry that revives' &&
      can(backend, 'journal') && {
        async append(batch, signal) {
          await backend.append(batch, signal);
          await revive(batch.entries.map(({ id }) => id));
        },
      }),
    async close() {
      await backend.close();
      await cluster.close();
    },
  });
}
