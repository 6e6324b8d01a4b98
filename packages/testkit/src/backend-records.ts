import assert from 'node:assert/strict';
import { type Json, SessionError, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { idsOf, sameRecord } from './backend-kit.js';

/** Names and texts that an encoding, a collation or a normalisation could change. */
const AWKWARD = [
  'Grüße, Ωμέγα, 東京, العربية',
  'four bytes: 😀 👩‍👩‍👧‍👦 𝒳',
  'composed é, decomposed e\u0301',
  'quotes " \' ` and \\ and % and _ and ? and $1 and :name',
  'zero\\u0000 escaped, \u2028 and \u2029 raw',
  'trailing space ',
];

/** A record in which no member has its usual value. */
function full(kit: BackendKit): SessionRecord {
  const { now } = kit;
  return kit.make({
    service: 'Läden/RW-Split_Router.1',
    user: 'ann@example.com ',
    epoch: 7,
    secretAt: now - 11,
    prior: { hash: 'A'.repeat(43), kind: 'rotated', until: now + 30_000 },
    startedAt: now - 5_000,
    authenticatedAt: now - 4_000,
    seenAt: now - 12,
    idle: 123_456,
    endsAt: now + 7_654_321,
    killAt: now + 1_234_567,
    client: {
      ip: '2001:db8::7',
      port: 65_535,
      cipher: 'TLS_AES_128_GCM_SHA256',
      userAgent: 'Ünïcode/1.0 😀',
      attributes: { _pid: '42', 'a key': 'a "value"' },
    },
    parameters: { log_info: true, log_error: false },
    filters: ['second', 'first', 'second'],
    restartedAt: now - 3,
    dataVersion: 4,
    data: '{\n"cart":["book"],\n"n":1\n}',
    extra: { sealed: true, deep: { list: [1, null, 'é'] } },
  });
}

export const recordCases: readonly BackendCase[] = [
  {
    name: 'every member of a record comes back as it was saved',
    async run(kit) {
      const record = full(kit);
      assert.equal(await kit.a.save(record, kit.signal), true);
      sameRecord(await kit.mustLoad(record.id), record);
      sameRecord(await kit.mustLoad(record.id, kit.a), record);
    },
  },
  {
    name: 'members that are undefined come back undefined',
    async run(kit) {
      const record = await kit.stored();
      const found = await kit.mustLoad(record.id);
      for (const [name, value] of Object.entries(record))
        if (value === undefined) assert.equal(found[name as keyof SessionRecord], undefined, name);
      sameRecord(found, record);
    },
  },
  {
    name: 'a later version sets every member that may change, and takes away what is undefined',
    async run(kit) {
      const plain = await kit.stored();
      const { id, startedAt, service } = plain;
      const fixed = { id, startedAt, service, version: 2, killAt: undefined, seenAt: kit.now + 5 };
      const rich = kit.next(plain, { ...full(kit), ...fixed });
      assert.equal(await kit.a.save(rich, kit.signal), true);
      sameRecord(await kit.mustLoad(id), rich);
      const bare = await kit.saved(rich, {
        user: undefined,
        prior: undefined,
        authenticatedAt: undefined,
        parameters: {},
        filters: undefined,
        restartedAt: undefined,
        extra: undefined,
        data: '{}',
      });
      sameRecord(await kit.mustLoad(id), bare);
    },
  },
  {
    name: 'an empty list of filters is not the same as none',
    async run(kit) {
      const record = await kit.stored({ filters: [] });
      assert.deepEqual((await kit.mustLoad(record.id)).filters, []);
    },
  },
  {
    name: 'the exact text of data survives, whatever is written in it',
    async run(kit) {
      for (const text of AWKWARD) {
        const data = `{\n"key":${JSON.stringify(text)},\n"${JSON.stringify(text).slice(1, -1)}":1\n}`;
        const record = await kit.stored({ data });
        assert.equal((await kit.mustLoad(record.id)).data, data);
      }
    },
  },
  {
    name: 'the layout of data survives: spaces, order, repeated keys, numbers as written',
    async run(kit) {
      const data = '{ "b" : 1.0,\n\t"a" : 1e400, "b" : -0,\r\n "n" : 12345678901234567890 }';
      const record = await kit.stored({ data });
      assert.equal((await kit.mustLoad(record.id)).data, data);
    },
  },
  {
    name: 'keys such as __proto__ in data and in unknown members are plain keys',
    async run(kit) {
      const data = '{"__proto__":{"admin":true},"constructor":1,"toString":2}';
      const extra = JSON.parse(data) as Record<string, Json>;
      const record = await kit.stored({ data, extra });
      const found = await kit.mustLoad(record.id);
      assert.equal(found.data, data);
      assert.equal(JSON.stringify(found.extra), data);
      assert.equal((found as unknown as { admin?: unknown }).admin, undefined);
    },
  },
  {
    name: 'data of 200 kB comes back whole, or is refused by a backend that says it keeps less',
    async run(kit) {
      const data = `{\n"big":"${'0123456789'.repeat(20_000)}",\n"last":1\n}`;
      const record = kit.make({ data });
      const most = kit.a.traits.maxRecordBytes;
      if (most !== undefined && most < data.length) {
        await assert.rejects(kit.a.save(record, kit.signal), { code: 'RECORD_TOO_LARGE' });
        assert.equal(await kit.load(record.id), undefined);
      } else {
        assert.equal(await kit.a.save(record, kit.signal), true);
        assert.equal((await kit.mustLoad(record.id)).data, data);
      }
    },
  },
  {
    name: 'members of a newer format that nobody here understands survive',
    async run(kit) {
      const extra = { region: 'eu', nested: { flags: [true, null, 1.5], text: '😀' } };
      const record = await kit.stored({ extra });
      assert.deepEqual((await kit.mustLoad(record.id)).extra, extra);
      const next = await kit.saved(await kit.mustLoad(record.id), { data: '{"n":1}' });
      sameRecord(await kit.mustLoad(record.id), next);
    },
  },
  {
    name: 'the number of a newer format survives',
    async run(kit) {
      const record = await kit.stored({ format: 7 });
      assert.equal((await kit.mustLoad(record.id)).format, 7);
    },
  },
  {
    name: 'the order of the write ids survives',
    async run(kit) {
      let record = await kit.stored();
      for (let n = 0; n < 20; n++) record = await kit.saved(record);
      assert.deepEqual((await kit.mustLoad(record.id)).writes, record.writes);
    },
  },
  {
    name: 'users and services come back byte for byte, whatever their alphabet',
    async run(kit) {
      for (const name of [...AWKWARD, 'x'.repeat(255)]) {
        const record = await kit.stored({ user: name, service: name });
        const found = await kit.mustLoad(record.id);
        assert.equal(found.user, name);
        assert.equal(found.service, name);
      }
    },
  },
  {
    name: 'load answers in the order of the ids, undefined for one that is not there',
    async run(kit) {
      const [x, y, z] = [await kit.stored(), await kit.stored(), await kit.stored()];
      const gone = kit.make();
      const found = await kit.b.load([z.id, gone.id, x.id, y.id], kit.signal);
      assert.equal(found.length, 4);
      assert.equal(found[1], undefined);
      for (const [at, wanted] of [z, undefined, x, y].entries())
        if (wanted !== undefined) sameRecord(found[at] as SessionRecord, wanted);
    },
  },
  {
    name: 'load answers an id that is asked for twice in both places',
    async run(kit) {
      const [x, y] = [await kit.stored(), await kit.stored()];
      const found = await kit.b.load([x.id, y.id, x.id], kit.signal);
      assert.equal(found.length, 3);
      for (const [at, wanted] of [x, y, x].entries()) sameRecord(found[at] as SessionRecord, wanted);
    },
  },
  {
    name: 'load answers 500 ids at once',
    async run(kit) {
      const records = Array.from({ length: 500 }, () => kit.make());
      await Promise.all(records.map((record) => kit.a.save(record, kit.signal)));
      const found = await kit.b.load(idsOf(records).reverse(), kit.signal);
      assert.deepEqual(
        found.map((record) => record && 'id' in record && record.id),
        idsOf(records).reverse(),
      );
    },
  },
  {
    name: 'batches of nothing are answered with nothing',
    async run(kit) {
      assert.deepEqual(await kit.a.load([], kit.signal), []);
      assert.deepEqual(await kit.a.touch([], kit.signal), []);
      assert.deepEqual(await kit.a.end([], kit.ending(), kit.signal), []);
    },
  },
  {
    name: 'ids are compared byte for byte',
    async run(kit) {
      const { id } = await kit.stored();
      const near = [id.toUpperCase(), `${id} `, ` ${id}`, id.slice(0, -1), `${id}0`] as SessionId[];
      assert.deepEqual(
        await kit.b.load(near, kit.signal),
        near.map(() => undefined),
      );
      assert.deepEqual(await kit.b.end(near, kit.ending(), kit.signal), []);
      assert.equal((await kit.mustLoad(id)).ended, undefined);
    },
  },
  {
    name: 'a record that cannot be understood is RECORD_CORRUPT in its place and does not fail the others',
    applies: ({ corrupt }) => corrupt !== undefined,
    async run(kit) {
      const [x, y, z] = [await kit.stored(), await kit.stored(), await kit.stored()];
      await kit.opened.corrupt?.(y.id);
      const found = await kit.b.load([x.id, y.id, z.id], kit.signal);
      assert.equal(found.length, 3);
      sameRecord(found[0] as SessionRecord, x);
      sameRecord(found[2] as SessionRecord, z);
      const fault = found[1];
      assert.ok(fault instanceof SessionError, 'what cannot be understood is no fault');
      assert.equal(fault.code, 'RECORD_CORRUPT');
    },
  },
];
