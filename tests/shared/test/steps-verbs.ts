import { setMaxListeners } from 'node:events';
import type { MysqlBackend } from '@sessionkit/backend-mysql';
import type { PostgresBackend } from '@sessionkit/backend-postgres';
import type { RedisBackend } from '@sessionkit/backend-redis';
import {
  type Backend,
  type JournalEntry,
  type Link,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { makeRecord, nextRecord, type TestEnvironment } from '@sessionkit/testkit';
import { expect } from 'vitest';

export const signal = new AbortController().signal;
// A whole set of lists is asked for at once.
setMaxListeners(100, signal);
export type Store = RedisBackend | PostgresBackend | MysqlBackend;

/** One call, and what has to hold however far it came. */
export interface Trial {
  readonly verb: string;
  readonly args: readonly unknown[];
  /** Sessions that it has to do with. */
  readonly ids: readonly SessionId[];
  /** What holds beside the general rules; `done`: the call was answered. */
  holds?(store: Store, done: boolean): Promise<void>;
}

/** What a trial is made with. */
export class Setting {
  readonly now: Millis;

  constructor(
    readonly store: Store,
    readonly environment: TestEnvironment,
  ) {
    this.now = environment.now();
  }

  async stored(members: Partial<SessionRecord> = {}): Promise<SessionRecord> {
    const record = makeRecord(this.environment, members);
    expect(await this.store.save(record, signal)).toBe(true);
    return record;
  }
}

export async function found(store: Backend, id: SessionId): Promise<SessionRecord | undefined> {
  const [record] = await store.load([id], signal);
  if (record instanceof SessionError) throw record;
  return record;
}

async function ended(store: Store, ids: readonly SessionId[], done: boolean): Promise<void> {
  if (!done) return;
  for (const id of ids) expect((await found(store, id))?.ended?.cause).toBe('logout');
}

/** Every verb that writes, with each of the ways in which it moves index entries. */
export const verbs: Readonly<Record<string, (setting: Setting) => Promise<Trial>>> = {
  async 'create, anonymous'({ environment }) {
    const record = makeRecord(environment);
    return { verb: 'save', args: [record], ids: [record.id] };
  },
  async 'create, with a user'({ environment }) {
    const record = makeRecord(environment, { user: 'ann' });
    return { verb: 'save', args: [record], ids: [record.id] };
  },
  async save(setting) {
    const record = await setting.stored({ user: 'ann' });
    const next = nextRecord(setting.environment, record, { data: '{"n":1}' });
    return { verb: 'save', args: [next], ids: [record.id] };
  },
  async login(setting) {
    const record = await setting.stored();
    const login = { user: 'ann', epoch: 1, endsAt: record.endsAt + 60_000 };
    const next = nextRecord(setting.environment, record, login);
    return { verb: 'save', args: [next], ids: [record.id] };
  },
  async 'change of user'(setting) {
    const record = await setting.stored({ user: 'ann' });
    const next = nextRecord(setting.environment, record, { user: 'bob', epoch: 1 });
    return { verb: 'save', args: [next], ids: [record.id] };
  },
  async 'an end to come'(setting) {
    const record = await setting.stored({ user: 'ann' });
    const next = nextRecord(setting.environment, record, { killAt: setting.now + 60_000 });
    return { verb: 'save', args: [next], ids: [record.id] };
  },
  async touch(setting) {
    const records = [await setting.stored({ user: 'ann' }), await setting.stored()];
    const batch = records.map(({ id }) => ({ id, epoch: 0, seenAt: setting.now + 9 }));
    return { verb: 'touch', args: [batch], ids: records.map(({ id }) => id) };
  },
  async 'end of 1'(setting) {
    const { id } = await setting.stored({ user: 'ann' });
    const how = { at: setting.now, cause: 'logout', keepUntil: setting.now + 9_000_000 };
    return { verb: 'end', args: [[id], how], ids: [id], holds: (store, done) => ended(store, [id], done) };
  },
  async 'end of 3'(setting) {
    const records = [
      await setting.stored({ user: 'ann' }),
      await setting.stored(),
      await setting.stored({ user: 'bob', service: 'bank' }),
    ];
    const ids = records.map(({ id }) => id);
    const how = { at: setting.now, cause: 'logout', keepUntil: setting.now + 60_000 };
    return { verb: 'end', args: [ids, how], ids, holds: (store, done) => ended(store, ids, done) };
  },
  async sweep(setting) {
    const { now, store } = setting;
    const old = { startedAt: now - 90_000, idle: 1_000 };
    const idle = await setting.stored({ ...old, user: 'ann' });
    const over = await setting.stored({ user: 'bob' });
    const living = await setting.stored({ ...old, user: 'bob' });
    await store.touch([{ id: living.id, epoch: 0, seenAt: now }], signal);
    const how = { at: now - 9, cause: 'logout', by: undefined, keepUntil: now - 5 } as const;
    await store.end([over.id], how, signal);
    const entries: JournalEntry[] = [{ id: idle.id, at: now, kind: 'log', text: 'x' }];
    await store.append({ batchId: 'b', entries }, signal);
    const ids = [idle.id, over.id];
    return {
      verb: 'sweep',
      args: [now - 1, 10],
      ids: [...ids, living.id],
      async holds(other, done) {
        if (done) expect(await other.load(ids, signal)).toEqual([undefined, undefined]);
        expect((await found(other, living.id))?.ended).toBeUndefined();
      },
    };
  },
  async claim({ environment, now }) {
    const claim = { service: 'shop', user: 'ann', at: now, max: 1, full: 'refuse' } as const;
    const [id, rival] = [makeRecord(environment).id, makeRecord(environment).id];
    return {
      verb: 'claim',
      args: [{ ...claim, id }],
      ids: [id],
      async holds(other, done) {
        if (done) expect(await other.claim({ ...claim, id: rival }, signal)).toEqual([rival]);
        // A claim whose session never came holds its place for a minute.
        expect(await other.claim({ ...claim, id: rival, at: now + 60_001 }, signal)).toEqual([]);
      },
    };
  },
  async append(setting) {
    const ids = [(await setting.stored({ user: 'ann' })).id, (await setting.stored()).id];
    const texts = ['first', 'second'];
    const entries = ids.flatMap((id) => texts.map((text) => ({ id, at: setting.now, kind: 'log', text })));
    const batch = { batchId: 'one', entries: entries as JournalEntry[] };
    return {
      verb: 'append',
      args: [batch],
      ids,
      async holds(other, done) {
        const journals = (await other.read(ids, signal)).map((journal) => journal.map(({ text }) => text));
        for (const journal of journals) if (done || journal.length > 0) expect(journal).toEqual(texts);
        // Whoever sends it again, because nobody answered, writes nothing twice.
        await other.append(batch, signal);
        const again = (await other.read(ids, signal)).map((journal) => journal.map(({ text }) => text));
        expect(again).toEqual([texts, texts]);
      },
    };
  },
  async announce(setting) {
    const { now, store } = setting;
    const ids = [(await setting.stored({ user: 'ann' })).id, (await setting.stored()).id];
    const link = (id: SessionId, since: Millis): Link => ({ id, process: 'one', since, detail: {} });
    const [before, after] = [ids.map((id) => link(id, now)), ids.slice(1).map((id) => link(id, now + 1))];
    await store.announce('one', before, 60_000, signal);
    return {
      verb: 'announce',
      args: ['one', after, 60_000],
      ids,
      async holds(other, done) {
        const sorted = (links: readonly Link[]) => [...links].sort((x, y) => (x.id < y.id ? -1 : 1));
        const shown = sorted(await other.present(ids, signal));
        // Where it is two statements there may be too many in between, and never too few.
        const between = other.type === 'mysql' ? [sorted([...before.slice(0, 1), ...after])] : [];
        const possible = [sorted(before), ...between, sorted(after)];
        expect(done ? [sorted(after)] : possible).toContainEqual(shown);
      },
    };
  },
};
