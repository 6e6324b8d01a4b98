import assert from 'node:assert/strict';
import type { Claim, SessionId, SessionRecord } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { idsOf } from './backend-kit.js';

const ability = 'slots';

type Claimed = Partial<Claim> & { readonly id: SessionId };

function claim(kit: BackendKit, claimed: Claimed, by = kit.a): Promise<readonly SessionId[]> {
  const usual = { service: 'shop', user: 'ann', at: kit.now, max: 2, full: 'refuse' } as const;
  return kit.with('slots', by).claim({ ...usual, ...claimed }, kit.signal);
}

/** Sessions of ann in the shop as core makes them: claimed, then stored. */
async function holding(kit: BackendKit, count: number, members: Partial<SessionRecord> = {}) {
  const records: SessionRecord[] = [];
  for (let n = 0; n < count; n++) {
    const record = kit.make({ user: 'ann', startedAt: kit.now - 1_000 + n, seenAt: kit.now, ...members });
    const { id, service, user = '' } = record;
    assert.deepEqual(await claim(kit, { id, service, user, max: count }), []);
    assert.equal(await kit.a.save(record, kit.signal), true);
    records.push(record);
  }
  return records;
}

export const slotsCases: readonly BackendCase[] = [
  {
    ability,
    name: 'a claim is granted while there are places, and refused by its own id when there are none',
    async run(kit) {
      await holding(kit, 2);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late }, kit.b), [late]);
      assert.deepEqual(await claim(kit, { id: late, max: 3 }, kit.b), []);
    },
  },
  {
    ability,
    name: 'a claim takes its place before its session is stored',
    async run(kit) {
      const [x, y, z] = [kit.make().id, kit.make().id, kit.make().id];
      assert.deepEqual(await claim(kit, { id: x }), []);
      assert.deepEqual(await claim(kit, { id: y }, kit.b), []);
      assert.deepEqual(await claim(kit, { id: z }), [z]);
    },
  },
  {
    ability,
    name: 'a session that was stored under its user without a claim has a place all the same',
    async run(kit) {
      const [first, second] = await kit.storedMany(2, (n) => ({ user: 'ann', startedAt: kit.now - 10 + n }));
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late }), [late]);
      assert.deepEqual(await claim(kit, { id: late, full: 'oldest' }, kit.b), [first?.id]);
      assert.deepEqual(await claim(kit, { id: second?.id ?? late, full: 'refuse' }), []);
    },
  },
  {
    ability,
    name: 'a refused claim takes no place',
    async run(kit) {
      const [first] = await holding(kit, 2);
      for (let n = 0; n < 3; n++) await claim(kit, { id: kit.make().id });
      await kit.end(first as SessionRecord);
      assert.deepEqual(await claim(kit, { id: kit.make().id }), []);
    },
  },
  {
    ability,
    name: 'with oldest the claim is granted, and as many as are too many must end, those that began first',
    async run(kit) {
      const records = await holding(kit, 4);
      const late = kit.make().id;
      const must = await claim(kit, { id: late, max: 3, full: 'oldest' }, kit.b);
      assert.deepEqual([...must].sort(), idsOf(records.slice(0, 2)));
    },
  },
  {
    ability,
    name: 'with oldest the claim keeps its place when those that must have ended',
    async run(kit) {
      const [first] = await holding(kit, 2);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late, full: 'oldest' }), [first?.id]);
      await kit.end(first as SessionRecord, { cause: 'limit' });
      const other = kit.make().id;
      assert.deepEqual(await claim(kit, { id: other }), [other]);
    },
  },
  {
    ability,
    name: 'with oldest and places left nobody must end',
    async run(kit) {
      await holding(kit, 1);
      assert.deepEqual(await claim(kit, { id: kit.make().id, full: 'oldest' }), []);
    },
  },
  {
    ability,
    name: 'the place of an ended session is free',
    async run(kit) {
      const [first] = await holding(kit, 2);
      await kit.end(first as SessionRecord);
      assert.deepEqual(await claim(kit, { id: kit.make().id }), []);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late }), [late]);
    },
  },
  {
    ability,
    name: 'the place of a session that is dead at the time of the claim is free',
    async run(kit) {
      await holding(kit, 2, { idle: 5_000 });
      const [early, late] = [kit.make().id, kit.make().id];
      assert.deepEqual(await claim(kit, { id: early, at: kit.now + 4_999 }), [early]);
      assert.deepEqual(await claim(kit, { id: late, at: kit.now + 5_000 }), []);
    },
  },
  {
    ability,
    name: 'a touched session keeps its place',
    async run(kit) {
      const records = await holding(kit, 2, { idle: 5_000 });
      for (const record of records) await kit.touch(record, kit.now + 3_000);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late, at: kit.now + 6_000 }), [late]);
    },
  },
  {
    ability,
    name: 'the place of a session that has become another user’s is free',
    async run(kit) {
      const [first] = await holding(kit, 2);
      await kit.saved(first as SessionRecord, { user: 'bob', epoch: 1 });
      assert.deepEqual(await claim(kit, { id: kit.make().id }), []);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late }), [late]);
    },
  },
  {
    ability,
    name: 'a claim for a session that is still anonymous holds its place until the login is stored, and after it',
    async run(kit) {
      const anonymous = await kit.stored();
      assert.deepEqual(await claim(kit, { id: anonymous.id, max: 1 }), []);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late, max: 1 }), [late]);
      await kit.saved(anonymous, { user: 'ann', epoch: 1 });
      assert.deepEqual(await claim(kit, { id: late, max: 1, at: kit.now + 61_000 }), [late]);
    },
  },
  {
    ability,
    name: 'a claim whose session ended before it was stored under its user is free',
    async run(kit) {
      const anonymous = await kit.stored();
      assert.deepEqual(await claim(kit, { id: anonymous.id, max: 1 }), []);
      await kit.end(anonymous);
      assert.deepEqual(await claim(kit, { id: kit.make().id, max: 1 }), []);
    },
  },
  {
    ability,
    name: 'a claim without a record lapses after 60 s and not before',
    async run(kit) {
      assert.deepEqual(await claim(kit, { id: kit.make().id, max: 1 }), []);
      const [early, late] = [kit.make().id, kit.make().id];
      assert.deepEqual(await claim(kit, { id: early, max: 1, at: kit.now + 59_000 }), [early]);
      assert.deepEqual(await claim(kit, { id: late, max: 1, at: kit.now + 60_001 }), []);
    },
  },
  {
    ability,
    name: 'claiming a place that one has is granted, full or not, and takes no other',
    async run(kit) {
      const [first] = await holding(kit, 1);
      const waiting = kit.make().id;
      for (const id of [first?.id ?? waiting, waiting, waiting, first?.id ?? waiting])
        assert.deepEqual(await claim(kit, { id }), []);
      const late = kit.make().id;
      assert.deepEqual(await claim(kit, { id: late }), [late]);
      assert.deepEqual(await claim(kit, { id: waiting }), []);
      assert.deepEqual(await claim(kit, { id: late, max: 3 }), []);
    },
  },
  {
    ability,
    name: 'claiming a place again does not put off its lapse',
    async run(kit) {
      const waiting = kit.make().id;
      await claim(kit, { id: waiting, max: 1 });
      assert.deepEqual(await claim(kit, { id: waiting, max: 1, at: kit.now + 50_000 }), []);
      assert.deepEqual(await claim(kit, { id: kit.make().id, max: 1, at: kit.now + 61_000 }), []);
    },
  },
  {
    ability,
    name: 'of 20 parallel claims through two instances exactly as many are granted as there are places',
    async run(kit) {
      const ids = Array.from({ length: 20 }, () => kit.make().id);
      const answers = await Promise.all(
        ids.map((id, n) => claim(kit, { id, max: 5 }, n % 2 === 0 ? kit.a : kit.b)),
      );
      assert.equal(answers.filter(({ length }) => length === 0).length, 5);
      for (const [at, answer] of answers.entries()) assert.ok(answer.length === 0 || answer[0] === ids[at]);
    },
  },
  {
    ability,
    name: 'places are counted for each service and each user by themselves, names compared byte for byte',
    async run(kit) {
      const others = [
        { user: 'Ann' },
        { user: 'ann ' },
        { user: 'a_n' },
        { service: 'Shop' },
        { service: 'sho', user: 'pann' },
      ];
      for (const other of [{}, ...others]) {
        const id = kit.make().id;
        assert.deepEqual(await claim(kit, { id, max: 1, ...other }), [], JSON.stringify(other));
      }
    },
  },
];
