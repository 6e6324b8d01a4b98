import assert from 'node:assert/strict';
import type { BackendCase } from './backend-kit.js';
import { idsOf, sameRecord } from './backend-kit.js';

export const touchingCases: readonly BackendCase[] = [
  {
    name: 'a touch moves seenAt forward and nothing else, the version included',
    async run(kit) {
      const record = await kit.stored({ user: 'ann', data: '{"n":1}' });
      assert.deepEqual(await kit.touch(record, kit.now + 500), []);
      sameRecord(await kit.mustLoad(record.id), { ...record, seenAt: kit.now + 500 });
      await kit.saved(record, { seenAt: kit.now + 600 });
    },
  },
  {
    name: 'a touch never moves seenAt back',
    async run(kit) {
      const record = await kit.stored();
      await kit.touch(record, kit.now + 900);
      assert.deepEqual(await kit.touch(record, kit.now + 100, kit.b), []);
      assert.equal((await kit.mustLoad(record.id)).seenAt, kit.now + 900);
    },
  },
  {
    name: 'of parallel touches through two instances the latest use remains',
    async run(kit) {
      const record = await kit.stored();
      const uses = Array.from({ length: 20 }, (_, n) => kit.now + ((n * 7) % 20) * 100);
      await Promise.all(uses.map((at, n) => kit.touch(record, at, n % 2 === 0 ? kit.a : kit.b)));
      assert.equal((await kit.mustLoad(record.id)).seenAt, Math.max(...uses));
    },
  },
  {
    name: 'a touch answers the ids that are absent, ended or of another epoch, and moves the others',
    async run(kit) {
      const [living, ended, relogged] = [
        await kit.stored(),
        await kit.stored(),
        await kit.stored({ epoch: 3 }),
      ];
      const absent = kit.make();
      await kit.end(ended);
      const seenAt = kit.now + 300;
      const batch = [living, ended, relogged, absent]
        .map(({ id }) => ({ id, epoch: 0, seenAt }))
        .sort((x, y) => (x.id < y.id ? -1 : 1));
      const missed = await kit.b.touch(batch, kit.signal);
      assert.deepEqual([...missed].sort(), [ended.id, relogged.id, absent.id].sort());
      assert.equal((await kit.mustLoad(living.id)).seenAt, seenAt);
      assert.equal(await kit.load(absent.id), undefined);
    },
  },
  {
    name: 'a touch of another epoch, older or newer, moves nothing',
    async run(kit) {
      const record = await kit.stored({ epoch: 3 });
      for (const epoch of [2, 4])
        assert.deepEqual(await kit.touch({ ...record, epoch }, kit.now + 500), [record.id]);
      assert.equal((await kit.mustLoad(record.id)).seenAt, record.seenAt);
    },
  },
  {
    name: 'a touch creates nothing',
    async run(kit) {
      const record = kit.make();
      await kit.touch(record, kit.now + 500);
      assert.equal(await kit.load(record.id), undefined);
      assert.equal(await kit.opened.peek(record.id), undefined);
    },
  },
  {
    name: 'a batch of 500 touches moves every one',
    async run(kit) {
      const records = Array.from({ length: 500 }, () => kit.make());
      await Promise.all(records.map((record) => kit.a.save(record, kit.signal)));
      const batch = records.map(({ id }, at) => ({ id, epoch: 0, seenAt: kit.now + 1 + at }));
      batch.sort((x, y) => (x.id < y.id ? -1 : 1));
      assert.deepEqual(await kit.a.touch(batch, kit.signal), []);
      const found = await kit.b.load(idsOf(batch), kit.signal);
      assert.deepEqual(
        found.map((record) => record && 'seenAt' in record && record.seenAt),
        batch.map(({ seenAt }) => seenAt),
      );
    },
  },
];
