import assert from 'node:assert/strict';
import { can, type Millis, type SessionId } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { idsOf } from './backend-kit.js';

const MANY = 1_000;

async function swept(kit: BackendKit, deadBefore: Millis, limit = MANY): Promise<SessionId[]> {
  return [...(await kit.with('sweep', kit.b).sweep(deadBefore, limit, kit.signal))].sort();
}

const ability = 'sweep';

export const sweepingCases: readonly BackendCase[] = [
  {
    ability,
    name: 'a sweep removes what has been idle since before the given time, answers its ids and keeps the living',
    async run(kit) {
      const dead = await kit.storedMany(3, () => ({ startedAt: kit.now - 60_000, idle: 59_000 }));
      const living = await kit.stored();
      assert.deepEqual(await swept(kit, kit.now), idsOf(dead).sort());
      for (const { id } of dead) {
        assert.equal(await kit.load(id), undefined);
        assert.equal(await kit.opened.peek(id), undefined);
      }
      await kit.mustLoad(living.id);
    },
  },
  {
    ability,
    name: 'a sweep removes what reached its absolute end or its kill before the given time',
    async run(kit) {
      const over = await kit.stored({ startedAt: kit.now - 60_000, endsAt: kit.now - 1_000 });
      const killed = await kit.stored({ killAt: kit.now - 1_000 });
      const later = await kit.stored({ killAt: kit.now + 1_000 });
      assert.deepEqual(await swept(kit, kit.now), idsOf([over, killed]).sort());
      await kit.mustLoad(later.id);
    },
  },
  {
    ability,
    name: 'a sweep counts idleness from the last touch',
    async run(kit) {
      const record = await kit.stored({ startedAt: kit.now - 60_000, idle: 59_000 });
      await kit.touch(record, kit.now - 30_000);
      assert.deepEqual(await swept(kit, kit.now), []);
      await kit.mustLoad(record.id);
      assert.deepEqual(await swept(kit, kit.now + 29_001), [record.id]);
    },
  },
  {
    ability,
    name: 'a sweep counts the kill that a later save has set',
    async run(kit) {
      const record = await kit.stored();
      assert.deepEqual(await swept(kit, kit.now), []);
      await kit.saved(record, { killAt: kit.now + 5_000 });
      assert.deepEqual(await swept(kit, kit.now + 5_000), []);
      assert.deepEqual(await swept(kit, kit.now + 5_001), [record.id]);
    },
  },
  {
    ability,
    name: 'a sweep keeps what is dead only since the given time or later',
    async run(kit) {
      const record = await kit.stored({ idle: 10_000 });
      assert.deepEqual(await swept(kit, kit.now + 10_000), []);
      await kit.mustLoad(record.id);
    },
  },
  {
    ability,
    name: 'a sweep keeps an ended session until its time to be kept is over, then removes it',
    async run(kit) {
      const record = await kit.stored({ idle: 10_000 });
      await kit.end(record, { keepUntil: kit.now + 60_000 });
      assert.deepEqual(await swept(kit, kit.now + 59_999), []);
      assert.equal((await kit.mustLoad(record.id)).ended?.cause, 'logout');
      assert.deepEqual(await swept(kit, kit.now + 60_001), [record.id]);
      assert.equal(await kit.load(record.id), undefined);
    },
  },
  {
    ability,
    name: 'a session that ended is kept no longer than asked, however long it might have lived',
    async run(kit) {
      const record = await kit.stored();
      await kit.end(record, { keepUntil: kit.now + 1_000 });
      assert.deepEqual(await swept(kit, kit.now + 2_000), [record.id]);
    },
  },
  {
    ability,
    name: 'a sweep removes at most its limit, and fewer only when nothing is left',
    async run(kit) {
      const dead = await kit.storedMany(7, () => ({ startedAt: kit.now - 60_000, idle: 59_000 }));
      const found = [
        await swept(kit, kit.now, 3),
        await swept(kit, kit.now, 3),
        await swept(kit, kit.now, 3),
      ];
      assert.deepEqual(
        found.map(({ length }) => length),
        [3, 3, 1],
      );
      assert.deepEqual(found.flat().sort(), idsOf(dead).sort());
      assert.deepEqual(await swept(kit, kit.now, 3), []);
    },
  },
  {
    ability,
    name: 'of sweeps at once through two instances each dead session is told by one, and after them none is left',
    async run(kit) {
      const dead = await kit.storedMany(30, () => ({ startedAt: kit.now - 60_000, idle: 59_000 }));
      const living = await kit.stored();
      const sweeps = [kit.a, kit.b, kit.a, kit.b].map((each) =>
        kit.with('sweep', each).sweep(kit.now, MANY, kit.signal),
      );
      const told = (await Promise.all(sweeps)).flat();
      assert.equal(new Set(told).size, told.length, 'a session was told by two');
      assert.deepEqual([...told, ...(await swept(kit, kit.now))].sort(), idsOf(dead).sort());
      await kit.mustLoad(living.id);
    },
  },
  {
    ability,
    name: 'what was swept does not come back by a save, a touch or an end',
    async run(kit) {
      const record = await kit.stored({ startedAt: kit.now - 60_000, idle: 59_000 });
      await swept(kit, kit.now);
      assert.equal(await kit.a.save(kit.next(record), kit.signal), false);
      assert.deepEqual(await kit.touch(record, kit.now), [record.id]);
      assert.deepEqual(await kit.end(record), []);
      assert.equal(await kit.load(record.id), undefined);
    },
  },
  {
    ability,
    applies: ({ a }) => can(a, 'inspect'),
    name: 'what was swept is neither listed nor counted',
    async run(kit) {
      const dead = await kit.stored({ startedAt: kit.now - 60_000, idle: 59_000, user: 'ann' });
      const living = await kit.stored({ user: 'ann' });
      await kit.end(dead, { keepUntil: kit.now - 1 });
      await swept(kit, kit.now);
      const inspect = kit.with('inspect');
      const { items } = await inspect.list({ user: 'ann', limit: MANY }, kit.signal);
      assert.deepEqual(idsOf(items), [living.id]);
      assert.equal(await inspect.count({}, kit.signal), 1);
    },
  },
];
