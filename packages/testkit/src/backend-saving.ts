import assert from 'node:assert/strict';
import type { SessionRecord } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { sameRecord } from './backend-kit.js';

const PARALLEL = 20;

/** Saves all at once, in turn through both instances; answers those that won. */
async function race(kit: BackendKit, records: readonly SessionRecord[]): Promise<SessionRecord[]> {
  const answers = await Promise.all(
    records.map((record, at) => (at % 2 === 0 ? kit.a : kit.b).save(record, kit.signal)),
  );
  return records.filter((_, at) => answers[at]);
}

export const savingCases: readonly BackendCase[] = [
  {
    name: 'version 1 is stored over nothing and each further version over the one before, through any instance',
    async run(kit) {
      const first = await kit.stored({ data: '{"n":1}' });
      const second = kit.next(first, { data: '{"n":2}' });
      assert.equal(await kit.b.save(second, kit.signal), true);
      const third = kit.next(second, { data: '{"n":3}' });
      assert.equal(await kit.a.save(third, kit.signal), true);
      sameRecord(await kit.mustLoad(first.id, kit.a), third);
      sameRecord(await kit.mustLoad(first.id, kit.b), third);
    },
  },
  {
    name: 'version 1 is refused where a record is stored',
    async run(kit) {
      const stored = await kit.stored({ data: '{"own":1}' });
      const other = kit.make({ id: stored.id, data: '{"other":1}' });
      assert.equal(await kit.b.save(other, kit.signal), false);
      sameRecord(await kit.mustLoad(stored.id), stored);
    },
  },
  {
    name: 'a version above 1 is refused where nothing is stored, and creates nothing',
    async run(kit) {
      const record = kit.next(kit.make());
      assert.equal(await kit.a.save(record, kit.signal), false);
      assert.equal(await kit.load(record.id), undefined);
      assert.equal(await kit.opened.peek(record.id), undefined);
    },
  },
  {
    name: 'a version that is stored already is refused to another save',
    async run(kit) {
      const first = await kit.stored();
      const second = await kit.saved(first, { data: '{"winner":1}' });
      assert.equal(await kit.b.save(kit.next(first, { data: '{"loser":1}' }), kit.signal), false);
      sameRecord(await kit.mustLoad(first.id), second);
    },
  },
  {
    name: 'a version that leaves one out is refused',
    async run(kit) {
      const first = await kit.stored();
      const skipped = kit.next(first, { version: 3, data: '{"skipped":1}' });
      assert.equal(await kit.a.save(skipped, kit.signal), false);
      sameRecord(await kit.mustLoad(first.id), first);
    },
  },
  {
    name: 'an older version is refused',
    async run(kit) {
      const first = await kit.stored();
      const third = await kit.saved(await kit.saved(first));
      assert.equal(await kit.b.save(kit.next(first), kit.signal), false);
      sameRecord(await kit.mustLoad(first.id), third);
    },
  },
  {
    name: 'of parallel saves of one version through two instances exactly one wins, and it is what is stored',
    async run(kit) {
      const first = await kit.stored();
      const rivals = Array.from({ length: PARALLEL }, (_, n) => kit.next(first, { data: `{"rival":${n}}` }));
      const winners = await race(kit, rivals);
      assert.equal(winners.length, 1);
      sameRecord(await kit.mustLoad(first.id), winners[0] as SessionRecord);
    },
  },
  {
    name: 'of parallel creations of one id through two instances exactly one wins, and it is what is stored',
    async run(kit) {
      const { id } = kit.make();
      const rivals = Array.from({ length: PARALLEL }, (_, n) => kit.make({ id, data: `{"rival":${n}}` }));
      const winners = await race(kit, rivals);
      assert.equal(winners.length, 1);
      sameRecord(await kit.mustLoad(id), winners[0] as SessionRecord);
    },
  },
  {
    name: 'parallel saves of different sessions all win',
    async run(kit) {
      const records = Array.from({ length: PARALLEL }, () => kit.make());
      assert.equal((await race(kit, records)).length, PARALLEL);
      for (const record of records) sameRecord(await kit.mustLoad(record.id), record);
    },
  },
  {
    name: 'a repeated save answers true and stores nothing',
    async run(kit) {
      const first = await kit.stored();
      const second = await kit.saved(first, { data: '{"n":1}' });
      assert.equal(await kit.a.save(second, kit.signal), true);
      assert.equal(await kit.b.save({ ...second, data: '{"n":2}' }, kit.signal), true);
      sameRecord(await kit.mustLoad(first.id), second);
    },
  },
  {
    name: 'a repeated creation answers true and stores nothing',
    async run(kit) {
      const first = await kit.stored({ data: '{"n":1}' });
      assert.equal(await kit.b.save(first, kit.signal), true);
      sameRecord(await kit.mustLoad(first.id), first);
    },
  },
  {
    name: 'a repeated save is recognised when 15 other saves came after it, and stores nothing',
    async run(kit) {
      const second = await kit.saved(await kit.stored(), { data: '{"n":2}' });
      let last = second;
      for (let n = 3; n < 18; n++) last = await kit.saved(last, { data: `{"n":${n}}` });
      assert.equal(last.writes.length, 16);
      assert.equal(await kit.b.save(second, kit.signal), true);
      sameRecord(await kit.mustLoad(second.id), last);
    },
  },
  {
    name: 'a repeated save that is no longer among the last 16 answers false',
    async run(kit) {
      const second = await kit.saved(await kit.stored(), { data: '{"n":2}' });
      let last = second;
      for (let n = 3; n < 19; n++) last = await kit.saved(last, { data: `{"n":${n}}` });
      assert.equal(await kit.b.save(second, kit.signal), false);
      sameRecord(await kit.mustLoad(second.id), last);
    },
  },
  {
    name: 'a save stores the larger of its own seenAt and the stored one',
    async run(kit) {
      const first = await kit.stored();
      await kit.touch(first, kit.now + 500, kit.b);
      const second = await kit.saved(first, { data: '{"n":2}' });
      sameRecord(await kit.mustLoad(first.id), { ...second, seenAt: kit.now + 500 });
      const third = await kit.saved(second, { seenAt: kit.now + 900 });
      sameRecord(await kit.mustLoad(first.id), third);
    },
  },
  {
    name: 'a save moves killAt earlier',
    async run(kit) {
      const first = await kit.stored();
      const second = await kit.saved(first, { killAt: kit.now + 60_000 });
      assert.equal((await kit.mustLoad(first.id)).killAt, kit.now + 60_000);
      await kit.saved(second, { killAt: kit.now + 50_000 });
      assert.equal((await kit.mustLoad(first.id)).killAt, kit.now + 50_000);
    },
  },
  {
    name: 'a save never moves killAt later',
    async run(kit) {
      const first = await kit.stored({ killAt: kit.now + 50_000 });
      const second = await kit.saved(first, { killAt: kit.now + 60_000, data: '{"n":2}' });
      sameRecord(await kit.mustLoad(first.id), { ...second, killAt: kit.now + 50_000 });
    },
  },
  {
    name: 'a save never takes killAt away',
    async run(kit) {
      const first = await kit.stored({ killAt: kit.now + 50_000 });
      const second = await kit.saved(first, { killAt: undefined, data: '{"n":2}' });
      sameRecord(await kit.mustLoad(first.id), { ...second, killAt: kit.now + 50_000 });
    },
  },
];
