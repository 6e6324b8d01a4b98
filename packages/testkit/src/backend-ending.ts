import assert from 'node:assert/strict';
import { createSecret, END_CAUSES, hashSecret, toToken } from '@sessionkit/session-core';
import type { BackendCase } from './backend-kit.js';
import { sameRecord } from './backend-kit.js';

const MARK = 'markedforremoval';

export const endingCases: readonly BackendCase[] = [
  {
    name: 'end takes the data away and keeps the rest, with when, why and by whom',
    async run(kit) {
      const prior = { hash: 'B'.repeat(43), kind: 'superseded', until: kit.now + 60_000 } as const;
      const record = await kit.stored({ user: 'ann', epoch: 2, prior, data: `{"k":"${MARK}"}` });
      const how = kit.ending({ cause: 'killed', by: 'operator "Zoë"' });
      assert.deepEqual(await kit.a.end([record.id], how, kit.signal), [record.id]);
      const found = await kit.mustLoad(record.id);
      assert.deepEqual(JSON.parse(found.data), {});
      const { at, cause, by } = how;
      sameRecord({ ...found, data: '' }, { ...record, ended: { at, cause, by }, data: '' });
    },
  },
  {
    name: 'every cause of an end comes back, and an end without an author has none',
    async run(kit) {
      for (const cause of END_CAUSES) {
        const record = await kit.stored();
        await kit.end(record, { cause, by: undefined });
        const { ended } = await kit.mustLoad(record.id);
        assert.equal(ended?.cause, cause);
        assert.equal(ended?.by, undefined);
      }
    },
  },
  {
    name: 'what is really stored holds the data of a living session, and neither its secret nor its token',
    async run(kit) {
      const secret = createSecret(kit.environment);
      const record = await kit.stored({ secretHash: hashSecret(secret), data: `{"k":"${MARK}"}` });
      const raw = JSON.stringify(await kit.opened.peek(record.id));
      assert.ok(raw?.includes(MARK), 'the data is not where the record should be');
      assert.ok(!raw.includes(secret) && !raw.includes(toToken(record.id, secret)), 'a credential is stored');
    },
  },
  {
    name: 'what is really stored of an ended session holds none of its data',
    async run(kit) {
      const record = await kit.stored({ data: `{"k":"${MARK}"}` });
      await kit.end(record);
      const raw = JSON.stringify(await kit.opened.peek(record.id));
      assert.ok(raw !== undefined, 'the ended session is not kept');
      assert.ok(!raw.includes(MARK), 'the data is still stored');
    },
  },
  {
    name: 'end works whatever the version, and keeps the last use',
    async run(kit) {
      let record = await kit.stored();
      for (let n = 0; n < 5; n++) record = await kit.saved(record);
      await kit.touch(record, kit.now + 700);
      assert.deepEqual(await kit.b.end([record.id], kit.ending(), kit.signal), [record.id]);
      const found = await kit.mustLoad(record.id);
      assert.equal(found.ended?.cause, 'logout');
      assert.equal(found.seenAt, kit.now + 700);
    },
  },
  {
    name: 'end creates nothing',
    async run(kit) {
      const record = kit.make();
      assert.deepEqual(await kit.end(record), []);
      assert.equal(await kit.load(record.id), undefined);
      assert.equal(await kit.opened.peek(record.id), undefined);
    },
  },
  {
    name: 'a second end answers nothing, and the first one stands',
    async run(kit) {
      const record = await kit.stored();
      await kit.end(record, { cause: 'killed', by: 'first' });
      assert.deepEqual(await kit.b.end([record.id], kit.ending({ by: 'second' }), kit.signal), []);
      const { ended } = await kit.mustLoad(record.id);
      assert.deepEqual(ended, { at: kit.now, cause: 'killed', by: 'first' });
    },
  },
  {
    name: 'of parallel ends of one session through two instances exactly one answers its id',
    async run(kit) {
      const { id } = await kit.stored();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 === 0 ? kit.a : kit.b).end([id], kit.ending({ by: `${n}` }), kit.signal),
        ),
      );
      assert.deepEqual(answers.flat(), [id]);
      const winner = answers.findIndex(({ length }) => length === 1);
      assert.equal((await kit.mustLoad(id)).ended?.by, `${winner}`);
    },
  },
  {
    name: 'end of many answers exactly those that it ended, each once',
    async run(kit) {
      const [x, y, z] = [await kit.stored(), await kit.stored(), await kit.stored()];
      await kit.end(y);
      const ids = [z.id, kit.make().id, y.id, x.id, z.id];
      const ended = await kit.a.end(ids, kit.ending(), kit.signal);
      assert.deepEqual([...ended].sort(), [x.id, z.id].sort());
      for (const { id } of [x, z]) assert.ok((await kit.mustLoad(id)).ended, 'answered and not ended');
    },
  },
  {
    name: 'no save makes an ended session alive: the next version is refused',
    async run(kit) {
      const record = await kit.stored();
      await kit.end(record);
      const late = kit.next(record, { data: `{"k":"${MARK}"}` });
      assert.equal(await kit.b.save(late, kit.signal), false);
      assert.equal(await kit.b.save(kit.next(late), kit.signal), false);
      const found = await kit.mustLoad(record.id);
      assert.equal(found.ended?.cause, 'logout');
      assert.ok(!found.data.includes(MARK));
    },
  },
  {
    name: 'no creation makes an ended session alive: version 1 is refused over it',
    async run(kit) {
      const record = await kit.stored();
      await kit.end(record);
      assert.equal(await kit.b.save(kit.make({ id: record.id }), kit.signal), false);
      assert.equal((await kit.mustLoad(record.id)).ended?.cause, 'logout');
    },
  },
  {
    name: 'a repeated save answers true after an end, and the session stays ended',
    async run(kit) {
      const second = await kit.saved(await kit.stored(), { data: `{"k":"${MARK}"}` });
      await kit.end(second);
      assert.equal(await kit.b.save(second, kit.signal), true);
      const found = await kit.mustLoad(second.id);
      assert.equal(found.ended?.cause, 'logout');
      assert.ok(!found.data.includes(MARK));
    },
  },
  {
    name: 'no touch makes an ended session alive or moves its last use',
    async run(kit) {
      const record = await kit.stored();
      await kit.end(record);
      assert.deepEqual(await kit.touch(record, kit.now + 900, kit.b), [record.id]);
      const found = await kit.mustLoad(record.id);
      assert.equal(found.ended?.cause, 'logout');
      assert.equal(found.seenAt, record.seenAt);
    },
  },
  {
    name: 'a session that is ended while others save and touch it stays ended',
    async run(kit) {
      for (let round = 0; round < 20; round++) {
        const record = await kit.stored();
        const end = () => kit.b.end([record.id], kit.ending(), kit.signal);
        const save = () => kit.a.save(kit.next(record, { data: `{"k":"${MARK}"}` }), kit.signal);
        const touch = () => kit.touch(record, kit.now + 900);
        const [ended] =
          round % 2 === 0
            ? await Promise.all([end(), save(), touch()])
            : (await Promise.all([save(), touch(), end()])).toReversed();
        assert.deepEqual(ended, [record.id]);
        const found = await kit.mustLoad(record.id);
        assert.equal(found.ended?.cause, 'logout');
        assert.ok(!found.data.includes(MARK), 'a save brought its data back');
      }
    },
  },
];
