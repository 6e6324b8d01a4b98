import assert from 'node:assert/strict';
import {
  firstIdAt,
  type Head,
  type PageQuery,
  type Query,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { idsOf, sameHead } from './backend-kit.js';

const MANY = 1_000;

function list(kit: BackendKit, query: Partial<PageQuery> = {}) {
  return kit.with('inspect', kit.b).list({ limit: MANY, ...query }, kit.signal);
}

/** Asserts that exactly `wanted` are listed and counted under `query`. */
async function listed(kit: BackendKit, query: Query, wanted: readonly SessionRecord[]): Promise<void> {
  const { items, next } = await list(kit, query);
  assert.deepEqual(idsOf(items), idsOf(wanted).sort());
  assert.equal(next, undefined);
}

const ability = 'inspect';

export const listingCases: readonly BackendCase[] = [
  {
    ability,
    name: 'a list is in ascending order of the ids, in whatever order they were saved',
    async run(kit) {
      const records = Array.from({ length: 12 }, (_, n) =>
        kit.make({ startedAt: kit.now - ((n * 7) % 12) * 100 }),
      );
      for (const record of records) await kit.a.save(record, kit.signal);
      await listed(kit, {}, records);
    },
  },
  {
    ability,
    name: 'pages follow each other without a gap or a repetition, and the last one has no next',
    async run(kit) {
      const records = await kit.storedMany(12, (n) => ({ service: n % 2 === 0 ? 'even' : 'odd' }));
      for (const limit of [1, 3, 5, 12]) {
        const found: SessionId[] = [];
        let after: SessionId | undefined;
        do {
          const page: { items: readonly Head[]; next: SessionId | undefined } = await list(kit, {
            limit,
            after,
          });
          assert.ok(page.items.length > 0, 'an empty page follows one that has a next');
          found.push(...idsOf(page.items));
          after = page.next;
        } while (after !== undefined && found.length <= records.length);
        assert.deepEqual(found, idsOf(records));
      }
    },
  },
  {
    ability,
    name: 'a page has at most as many rows as its limit, and as many where there are more',
    async run(kit) {
      const records = await kit.storedMany(5, () => ({}));
      const page = await list(kit, { limit: 3 });
      assert.deepEqual(idsOf(page.items), idsOf(records).slice(0, 3));
      assert.ok(page.next !== undefined, 'there is more, and no next');
    },
  },
  {
    ability,
    name: 'a page after an id begins behind it, whether it is stored or not',
    async run(kit) {
      const records = await kit.storedMany(4, () => ({}));
      const second = records[1] as SessionRecord;
      assert.deepEqual(idsOf((await list(kit, { after: second.id })).items), idsOf(records).slice(2));
      const between = firstIdAt(second.startedAt);
      const rest = idsOf(records).slice(1);
      assert.deepEqual(idsOf((await list(kit, { after: between })).items), rest);
    },
  },
  {
    ability,
    name: 'a list by service has the sessions of that service, its name compared byte for byte',
    async run(kit) {
      const names = ['shop', 'Shop', 'shop ', 'sh_p', 'bank'];
      const records = await kit.storedMany(10, (n) => ({ service: names[n % 5] ?? '' }));
      for (const service of [...names, 'sh%', '%'])
        await listed(
          kit,
          { service },
          records.filter((record) => record.service === service),
        );
    },
  },
  {
    ability,
    name: 'a list by user has the sessions of that user, its name compared byte for byte',
    async run(kit) {
      const names = ['ann', 'Ann', 'ann ', 'a_n', '\u00e9va', 'e\u0301va', undefined];
      const records = await kit.storedMany(14, (n) => ({ user: names[n % 7] }));
      for (const user of ['ann', 'Ann', 'ann ', 'a_n', '\u00e9va', 'e\u0301va', 'undefined', '%'])
        await listed(
          kit,
          { user },
          records.filter((record) => record.user === user),
        );
    },
  },
  {
    ability,
    name: 'a list by state tells open sessions from ended ones',
    async run(kit) {
      const records = await kit.storedMany(6, () => ({}));
      const gone = records.filter((_, n) => n % 3 === 0);
      await kit.a.end(idsOf(gone), kit.ending(), kit.signal);
      await listed(kit, { state: 'ended' }, gone);
      await listed(
        kit,
        { state: 'open' },
        records.filter((record) => !gone.includes(record)),
      );
      await listed(kit, {}, records);
    },
  },
  {
    ability,
    name: 'a session that has run out and was not ended is listed as open: the backend does not judge',
    async run(kit) {
      const record = await kit.stored({ startedAt: kit.now - 60_000, idle: 59_000 });
      await listed(kit, { state: 'open' }, [record]);
      await listed(kit, { state: 'ended' }, []);
    },
  },
  {
    ability,
    name: 'a list by start has the sessions that began before that time',
    async run(kit) {
      const records = await kit.storedMany(6, () => ({}));
      const startedBefore = (records[3] as SessionRecord).startedAt;
      await listed(kit, { startedBefore }, records.slice(0, 3));
      await listed(kit, { startedBefore: kit.now + 60_000 }, records);
      await listed(kit, { startedBefore: 0 }, []);
    },
  },
  {
    ability,
    name: 'conditions that are given together all hold, over pages too',
    async run(kit) {
      const records = await kit.storedMany(24, (n) => ({
        service: n % 2 === 0 ? 'shop' : 'bank',
        user: n % 3 === 0 ? 'ann' : 'bob',
      }));
      const gone = records.filter((_, n) => n % 4 === 0);
      await kit.a.end(idsOf(gone), kit.ending(), kit.signal);
      const startedBefore = (records[20] as SessionRecord).startedAt;
      const query = { service: 'shop', user: 'ann', state: 'ended', startedBefore } as const;
      const wanted = idsOf(gone.slice(0, 5).filter(({ user }) => user === 'ann'));
      assert.equal(wanted.length, 2);
      const first = await list(kit, { ...query, limit: 1 });
      assert.deepEqual(idsOf(first.items), wanted.slice(0, 1));
      const second = await list(kit, { ...query, limit: 1, after: first.next });
      assert.deepEqual(idsOf(second.items), wanted.slice(1));
      assert.equal(second.next, undefined);
    },
  },
  {
    ability,
    name: 'a head has every member of the record but data, hashes and write ids',
    async run(kit) {
      const record = await kit.stored({
        user: 'ann',
        prior: { hash: 'C'.repeat(43), kind: 'rotated', until: undefined },
        parameters: { log_debug: true },
        filters: ['one'],
        data: '{"hidden":1}',
        extra: { seen: 1 },
      });
      const { items } = await list(kit);
      const [head] = items;
      assert.ok(head !== undefined, 'the session is not listed');
      sameHead(head, record);
      for (const member of ['data', 'secretHash', 'prior', 'writes']) assert.ok(!(member in head), member);
    },
  },
  {
    ability,
    name: 'a head shows the last version, the last use and the end',
    async run(kit) {
      const record = await kit.saved(await kit.stored(), { killAt: kit.now + 9_000 });
      await kit.touch(record, kit.now + 400);
      sameHead((await list(kit)).items[0] as Head, { ...record, seenAt: kit.now + 400 });
      await kit.end(record, { cause: 'killed' });
      assert.equal((await list(kit)).items[0]?.ended?.cause, 'killed');
    },
  },
  {
    ability,
    name: 'a session whose user changes is found under the new one alone',
    async run(kit) {
      const anonymous = await kit.stored();
      const ann = await kit.saved(anonymous, { user: 'ann', epoch: 1 });
      await listed(kit, { user: 'ann' }, [ann]);
      const bob = await kit.saved(ann, { user: 'bob', epoch: 2 });
      await listed(kit, { user: 'ann' }, []);
      await listed(kit, { user: 'bob' }, [bob]);
      await listed(kit, {}, [bob]);
    },
  },
  {
    ability,
    name: 'a count is as long as the list under the same conditions',
    async run(kit) {
      const records = await kit.storedMany(12, (n) => ({
        service: n % 2 === 0 ? 'shop' : 'bank',
        user: n % 3 === 0 ? 'ann' : undefined,
      }));
      await kit.a.end(idsOf(records.slice(0, 5)), kit.ending(), kit.signal);
      const startedBefore = (records[8] as SessionRecord).startedAt;
      const queries: Query[] = [
        {},
        { service: 'shop' },
        { user: 'ann' },
        { state: 'open' },
        { state: 'ended', service: 'bank' },
        { startedBefore },
        { startedBefore, user: 'ann', state: 'open' },
        { service: 'none' },
      ];
      const counts = await Promise.all(
        queries.map((query) => kit.with('inspect', kit.b).count(query, kit.signal)),
      );
      assert.deepEqual(counts, [12, 6, 4, 7, 2, 8, 1, 0]);
      for (const [at, query] of queries.entries())
        assert.equal((await list(kit, query)).items.length, counts[at], JSON.stringify(query));
    },
  },
  {
    ability,
    name: 'a list of nothing is an empty page',
    async run(kit) {
      assert.deepEqual((await list(kit)).items, []);
      assert.equal((await list(kit, { limit: 1 })).next, undefined);
      assert.equal(await kit.with('inspect').count({}, kit.signal), 0);
    },
  },
];
