import assert from 'node:assert/strict';
import { type Claim, can, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import { sameRecord } from './backend-kit.js';
import { type HostileCase, type HostileKit, orRefused } from './hostile-kit.js';
import { NAMES, REFUSED_NAMES, STRANGERS } from './hostile-values.js';

const ALL = [...NAMES, ...REFUSED_NAMES];
const isRefusedByCore = (name: string) => REFUSED_NAMES.includes(name);

/** Stores a session for each name, which stands in `member`; answers those that were kept. */
async function storedBy(kit: HostileKit, member: 'user' | 'service', names: readonly string[]) {
  const kept = new Map<string, SessionRecord>();
  for (const name of names) {
    const record = kit.make({ [member]: name });
    const isKept = await kit.offer(name, {
      must: !isRefusedByCore(name),
      give: async () => assert.equal(await kit.a.save(record, kit.signal), true),
      kept: async () => sameRecord(await kit.mustLoad(record.id), record),
    });
    if (isKept) kept.set(name, record);
    else assert.equal(await kit.load(record.id), undefined, 'what was refused is there all the same');
  }
  return kept;
}

const claimOf = (kit: HostileKit, members: Partial<Claim> & Pick<Claim, 'id'>): Claim => ({
  service: 'shop',
  user: 'ann',
  at: kit.now,
  max: 1,
  full: 'refuse',
  ...members,
});

export const nameCases: readonly HostileCase[] = [
  {
    name: 'users come back byte for byte or are refused; each is found by its own name alone',
    async run(kit) {
      const kept = await storedBy(kit, 'user', ALL);
      if (!('list' in kit.a)) return;
      for (const [user, { id }] of kept) await kit.holds({ user }, [id]);
      for (const [user, { id }] of kept) await kit.holds({ user, service: 'shop', state: 'open' }, [id]);
    },
  },
  {
    name: 'services come back byte for byte or are refused; each is found by its own name alone',
    async run(kit) {
      const kept = await storedBy(kit, 'service', ALL);
      if (!('list' in kit.a)) return;
      for (const [service, { id }] of kept) await kit.holds({ service }, [id]);
      for (const [service, { id }] of kept) await kit.holds({ service, state: 'open' }, [id]);
    },
  },
  {
    ability: 'inspect',
    name: 'a name that nobody has finds nobody, whatever it means elsewhere',
    async run(kit) {
      for (const user of NAMES) await kit.stored({ user, service: user });
      const unstored = REFUSED_NAMES.filter((name) => !NAMES.includes(name));
      for (const name of [...STRANGERS, ...unstored])
        for (const query of [{ user: name }, { service: name }]) {
          const { signal } = kit;
          const page = await orRefused(() => kit.with('inspect').list({ ...query, limit: 9 }, signal));
          assert.deepEqual(page?.items ?? [], [], `listed under ${JSON.stringify(query).slice(0, 60)}`);
          const count = await orRefused(() => kit.with('inspect').count(query, signal));
          assert.equal(count ?? 0, 0, `counted under ${JSON.stringify(query).slice(0, 60)}`);
        }
      // Looking has put nobody out of a list.
      for (const user of NAMES) assert.equal((await kit.ids({ user })).length, 1, JSON.stringify(user));
    },
  },
  {
    ability: 'inspect',
    name: 'a session that changes from one name to another that looks like it stands under the new one alone',
    async run(kit) {
      for (const [before, after] of [
        ['ann', 'Ann'],
        ['ann ', 'ann'],
        ['ä', 'a\u0308'],
        ['%', '_'],
        ['7', '007'],
      ] as const) {
        const first = await kit.stored({ user: before, service: before });
        const next = await kit.saved(first, { user: after, service: after, epoch: 1 });
        sameRecord(await kit.mustLoad(first.id), next);
        await kit.holds({ user: before }, []);
        await kit.holds({ service: before }, []);
        await kit.holds({ user: after }, [first.id]);
        await kit.holds({ service: after }, [first.id]);
        await kit.end(next);
        await kit.holds({ user: after, state: 'ended' }, [first.id]);
        await kit.holds({ user: before, state: 'ended' }, []);
        const ended = await kit.a.end([first.id], kit.ending(), kit.signal);
        assert.deepEqual(ended, [], 'ended twice');
        if (!can(kit.a, 'sweep')) continue;
        await kit.a.sweep(next.startedAt + 1e10, 10, kit.signal);
        assert.equal(await kit.load(first.id), undefined);
      }
    },
  },
  {
    ability: 'slots',
    name: 'each name has places of its own, in each service of its own',
    async run(kit) {
      const claims = kit.with('slots');
      const taken: Claim[] = [];
      const pairs = [
        ...NAMES.map((user) => ({ service: 'shop', user })),
        ...NAMES.filter((name) => name !== 'shop').map((service) => ({ service, user: 'bob' })),
        // One text when they are put together.
        { service: 'a', user: 'b:c' },
        { service: 'a:b', user: 'c' },
        { service: 'a:', user: 'b:c:d' },
        { service: 'a', user: ':b:c:d' },
      ];
      for (const pair of pairs) {
        const claim = claimOf(kit, { ...pair, id: kit.make().id });
        await kit.offer(`${pair.service} ${pair.user}`, {
          must: true,
          give: async () => assert.deepEqual(await claims.claim(claim, kit.signal), []),
          kept: async () => {
            const rival = { ...claim, id: kit.make().id };
            assert.deepEqual(await kit.with('slots', kit.b).claim(rival, kit.signal), [rival.id]);
          },
        });
        taken.push(claim);
      }
      for (const claim of taken)
        assert.deepEqual(await claims.claim(claim, kit.signal), [], 'a place was lost to another name');
    },
  },
  {
    ability: 'slots',
    name: 'a claim by a name that core refuses is kept to itself or refused',
    async run(kit) {
      const claims = kit.with('slots');
      for (const user of NAMES) await claims.claim(claimOf(kit, { user, id: kit.make().id }), kit.signal);
      for (const name of REFUSED_NAMES)
        for (const pair of [{ user: name }, { service: name }]) {
          const claim = claimOf(kit, { ...pair, id: kit.make().id });
          await kit.offer(name, {
            must: false,
            give: async () => assert.deepEqual(await claims.claim(claim, kit.signal), []),
            kept: async () => {
              const rival = { ...claim, id: kit.make().id };
              assert.deepEqual(await claims.claim(rival, kit.signal), [rival.id]);
            },
          });
        }
    },
  },
  {
    ability: 'sweep',
    name: 'a sweep takes the dead of each name, and nobody else',
    async run(kit) {
      const old = { startedAt: kit.now - 90_000, seenAt: kit.now - 90_000, idle: 1_000 };
      const dead: SessionId[] = [];
      const living: SessionRecord[] = [];
      for (const name of NAMES) {
        dead.push((await kit.stored({ ...old, user: name, service: name })).id);
        living.push(await kit.stored({ user: name, service: name }));
      }
      const swept = new Set<SessionId>();
      for (;;) {
        const some = await kit.with('sweep').sweep(kit.now - 1, 50, kit.signal);
        for (const id of some) swept.add(id);
        if (some.length < 50) break;
      }
      assert.deepEqual([...swept].sort(), dead.sort());
      for (const record of living) sameRecord(await kit.mustLoad(record.id), record);
      if (!('list' in kit.a)) return;
      for (const { id, user = '', service } of living) {
        await kit.holds({ user }, [id]);
        await kit.holds({ service }, [id]);
      }
    },
  },
];
