import { strict as assert } from 'node:assert';
import { expect, it } from 'vitest';
import { newRecord } from '../src/changes.js';
import {
  createId,
  type PageQuery,
  processEnvironment,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '../src/index.js';
import { OwnSessions } from '../src/own-sessions.js';
import type { Settings } from '../src/settings.js';
import type { Store } from '../src/store.js';

const client = { ip: '192.0.2.7', port: 1, cipher: '', userAgent: '', attributes: {} };
const times = { duration: 100, idle: 100, anonymousIdle: 100 };

const record = (at: number, user: string, endsAt: number): SessionRecord => ({
  ...newRecord(createId(processEnvironment, at), 'shop', 'h', client, times, at),
  user,
  version: 1,
  endsAt,
});

/** A store of four sessions: two of Ann's that live, one of hers that has run out, and Bob's. Lists what it is asked for and more, a row at a time. */
class FakeStore {
  readonly records: SessionRecord[];
  /** Are stored one by one, each while another is being ended. */
  readonly arriving: SessionRecord[] = [];
  readonly ended: SessionId[] = [];
  readonly how: unknown[] = [];
  readonly backend = {
    type: 'fake',
    count: () => undefined,
    list: ({ user, after }: PageQuery) => {
      const open = this.records.filter(({ id, user: of }) => of === user && !this.ended.includes(id));
      const [first, ...rest] = open.filter(({ id }) => after === undefined || id > after);
      return { items: first ? [first, this.bobs] : [], next: rest.length > 0 ? first?.id : undefined };
    },
  };

  constructor() {
    this.records = [
      record(41, 'ann', 100),
      record(42, 'ann', 40),
      record(43, 'ann', 100),
      record(44, 'bob', 100),
    ];
  }

  get ids(): readonly SessionId[] {
    return this.records.map(({ id }) => id);
  }

  get bobs(): SessionRecord {
    return this.records.find(({ user }) => user === 'bob') as SessionRecord;
  }

  now = () => 50;
  isAlive = ({ id, endsAt }: SessionRecord, now: number) => !this.ended.includes(id) && now < endsAt;
  seenAt = () => 49;
  call = async (_what: string, verb: () => unknown) => verb();
  load = async (id: SessionId) => this.records.find((record) => record.id === id);
  end = async (ids: readonly SessionId[], ...how: unknown[]) => {
    this.ended.push(...ids);
    this.how.push(how);
    // Older than all, so that the list has passed it by: a session that was there and is logged in only now.
    this.records.unshift(...this.arriving.splice(0, 1));
    return ids;
  };
}

interface World {
  readonly store: FakeStore;
  readonly own: OwnSessions;
}
type Make = (readOnly?: boolean) => World;

const codeOf = (error: unknown) => (error instanceof SessionError ? error.code : error);

const cases: Readonly<Record<string, (make: Make) => Promise<void>>> = {
  'lists the living ones of the user': async (make) => {
    const { store, own } = make();
    const [first, , third] = store.ids;
    assert.deepEqual(
      (await own.list()).map(({ id, current, seenAt }) => [id, current, seenAt]),
      [
        [first, true, 49],
        [third, false, 49],
      ],
    );
  },
  'lists for a rotated token, too': async (make) => assert.equal((await make(true).own.list()).length, 2),
  'ends the others, and only them': async (make) => {
    const { store, own } = make();
    assert.equal(await own.endOthers(), 1);
    assert.deepEqual(store.ended, [store.ids[2]]);
    assert.deepEqual(store.how, [['logout', 'ann', 7]]);
  },
  'ends those that log in while the others are being ended': async (make) => {
    const { store, own } = make();
    const [late, later] = [record(40, 'ann', 100), record(39, 'ann', 100)];
    store.arriving.push(late, later);
    const [, , third] = store.ids;
    assert.equal(await own.endOthers(), 3);
    assert.deepEqual(store.ended, [third, late.id, later.id]);
  },
  'gives up on one who logs in again and again': async (make) => {
    const { store, own } = make();
    store.arriving.push(...Array.from({ length: 30 }, (_, i) => record(40 - i, 'ann', 100)));
    assert.equal(await own.endOthers(), 10);
  },
  'ends one of them by its id': async (make) => {
    const { store, own } = make();
    assert.equal(await own.end(store.ids[2] as SessionId), true);
    assert.deepEqual(store.ended, [store.ids[2]]);
  },
  'ends nothing of another user, and nothing that is over': async (make) => {
    const { store, own } = make();
    for (const id of [store.bobs.id, store.ids[1] as SessionId, createId(processEnvironment, 9)])
      assert.equal(await own.end(id), false);
    assert.deepEqual(store.ended, []);
  },
  'ends nothing for a rotated token': async (make) => {
    const { store, own } = make(true);
    assert.equal(await own.endOthers().catch(codeOf), 'SESSION_READ_ONLY');
    assert.equal(await own.end(store.ids[2] as SessionId).catch(codeOf), 'SESSION_READ_ONLY');
    assert.deepEqual(store.ended, []);
  },
};

const settings = { group: 'shop', keepEnded: 7 } as Settings;
const parts = (store: FakeStore) =>
  [store as unknown as Store, settings, store.records[0] as SessionRecord] as const;

function real(readOnly = false): World {
  const store = new FakeStore();
  return { store, own: new OwnSessions(...parts(store), readOnly) };
}

/** The real ones with one rule broken. */
function broken(mutate: (world: World) => Partial<OwnSessions>): Make {
  return (readOnly) => {
    const world = real(readOnly);
    return { ...world, own: Object.assign(world.own, mutate(world)) };
  };
}

const mutants: Readonly<Record<string, Make>> = {
  'lists one page': broken(({ own }) => {
    const { list } = own;
    return { list: async () => (await list.call(own)).slice(0, 1) };
  }),
  'marks none as the one that asks': broken(({ own }) => {
    const { list } = own;
    return { list: async () => (await list.call(own)).map((one) => ({ ...one, current: false })) };
  }),
  'refuses a list to a rotated token': (readOnly) => {
    const world = real(readOnly);
    const refuse = () => Promise.reject(new SessionError('SESSION_READ_ONLY', ''));
    return readOnly ? { ...world, own: Object.assign(world.own, { list: refuse }) } : world;
  },
  'ends the one that asks with the others': broken(({ own, store }) => {
    const { endOthers } = own;
    return {
      endOthers: async () => {
        const count = await endOthers.call(own);
        await store.end([own.current], 'logout', 'ann', 7);
        return count;
      },
    };
  }),
  'lists the others once': broken(({ own, store }) => ({
    endOthers: async () => {
      const others = (await own.list()).filter(({ current }) => !current);
      const ids = others.map(({ id }) => id);
      return (await store.end(ids, 'logout', 'ann', 7)).length;
    },
  })),
  'lists the others for ever': broken(({ own, store }) => ({
    endOthers: async () => {
      let ended = 0;
      for (;;) {
        const others = (await own.list()).filter(({ current }) => !current);
        if (others.length === 0) return ended;
        for (const { id } of others) ended += (await store.end([id], 'logout', 'ann', 7)).length;
      }
    },
  })),
  'ends whatever it is given': broken(({ store }) => ({
    end: async (id) => (await store.end([id], 'logout', 'ann', 7)).includes(id),
  })),
  'ends none by its id': broken(() => ({ end: async () => false })),
  'ends for a rotated token as for any': () => real(false),
};

it.each(Object.entries(cases))("a user's own sessions: %s", (_name, run) => run(real));

it('each of these rules is needed: own sessions that break one of them fail, and every case finds some that do', async () => {
  const caught = new Map<string, string[]>();
  for (const [mutant, make] of Object.entries(mutants)) {
    const by: string[] = [];
    for (const [name, run] of Object.entries(cases)) await run(make).catch(() => by.push(name));
    caught.set(mutant, by);
  }
  expect([...caught].filter(([, by]) => by.length === 0)).toEqual([]);
  const useful = new Set([...caught.values()].flat());
  expect(Object.keys(cases).filter((name) => !useful.has(name))).toEqual([]);
});

it('there are none of a session without a user', () => {
  const store = new FakeStore();
  const anonymous = { ...(store.records[0] as SessionRecord), user: undefined };
  const make = () => new OwnSessions(store as unknown as Store, settings, anonymous, false);
  expect(make).toThrow('the session has no user, so that there are none of the same user: log in first');
});
