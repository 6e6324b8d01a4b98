import assert from 'node:assert/strict';
import {
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalEntry,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';

const ability = 'journal';

let batches = 0;
const newBatchId = () => `batch-${++batches}`;

function append(kit: BackendKit, entries: readonly JournalEntry[], batchId = newBatchId(), by = kit.a) {
  return kit.with('journal', by).append({ batchId, entries }, kit.signal);
}

async function read(kit: BackendKit, id: SessionId): Promise<readonly JournalEntry[]> {
  const [entries] = await kit.with('journal', kit.b).read([id], kit.signal);
  assert.ok(entries !== undefined, 'read of one id did not answer one list');
  return entries;
}

const textsOf = (entries: readonly JournalEntry[]) => entries.map(({ text }) => text);

export const journalCases: readonly BackendCase[] = [
  {
    ability,
    name: 'entries come back whole, oldest first, over several batches',
    async run(kit) {
      const { id } = await kit.stored();
      const texts = ['GET /a', 'quotes "\\\' and 😀', '', 'line\nbreak'];
      const entries = texts.map((text, n): JournalEntry => {
        return { id, at: kit.now + n, kind: n % 2 === 0 ? 'log' : 'request', text };
      });
      await append(kit, entries.slice(0, 1));
      await append(kit, entries.slice(1));
      assert.deepEqual(
        (await read(kit, id)).map(({ id, at, kind, text }) => ({ id, at, kind, text })),
        entries,
      );
    },
  },
  {
    ability,
    name: 'entries of one time stay in the order in which they came',
    async run(kit) {
      const { id } = await kit.stored();
      const texts = ['third', 'first', 'second'];
      await append(
        kit,
        texts.map((text) => ({ id, at: kit.now, kind: 'log', text })),
      );
      assert.deepEqual(textsOf(await read(kit, id)), texts);
    },
  },
  {
    ability,
    name: 'entries of two processes are in the order of their times, whichever flushed first',
    async run(kit) {
      const { id } = await kit.stored();
      await append(kit, [{ id, at: kit.now + 20, kind: 'log', text: 'second' }]);
      await append(
        kit,
        [
          { id, at: kit.now + 10, kind: 'log', text: 'first' },
          { id, at: kit.now + 30, kind: 'log', text: 'third' },
        ],
        newBatchId(),
        kit.b,
      );
      assert.deepEqual(textsOf(await read(kit, id)), ['first', 'second', 'third']);
    },
  },
  {
    ability,
    name: 'a batch that arrives twice is kept once',
    async run(kit) {
      const { id } = await kit.stored();
      const batchId = newBatchId();
      const entries: JournalEntry[] = [{ id, at: kit.now, kind: 'log', text: 'once' }];
      await append(kit, entries, batchId);
      await append(kit, [{ id, at: kit.now + 1, kind: 'log', text: 'between' }]);
      await append(kit, entries, batchId, kit.b);
      assert.deepEqual(textsOf(await read(kit, id)), ['once', 'between']);
    },
  },
  {
    ability,
    name: 'a journal keeps the last 100 entries',
    async run(kit) {
      const { id } = await kit.stored();
      for (let batch = 0; batch < 3; batch++)
        await append(
          kit,
          Array.from({ length: 50 }, (_, n): JournalEntry => {
            const at = batch * 50 + n;
            return { id, at: kit.now + at, kind: 'log', text: `${at}` };
          }),
        );
      const last = Array.from({ length: JOURNAL_MAX_ENTRIES }, (_, n) => `${n + 50}`);
      assert.deepEqual(textsOf(await read(kit, id)), last);
    },
  },
  {
    ability,
    name: 'a journal keeps at most 64 kB of the latest entries, counted in bytes of UTF-8',
    async run(kit) {
      const { id } = await kit.stored();
      const big = '€'.repeat(3_000);
      for (let n = 0; n < 10; n++)
        await append(kit, [{ id, at: kit.now + n, kind: 'log', text: `${n}${big}` }]);
      const texts = textsOf(await read(kit, id));
      const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      assert.ok(bytes <= JOURNAL_MAX_BYTES, `${bytes} bytes are kept`);
      assert.ok(texts.length >= 5, `only ${texts.length} entries are kept`);
      assert.deepEqual(
        texts.map((text) => text.charAt(0)),
        Array.from({ length: texts.length }, (_, n) => `${10 - texts.length + n}`),
      );
    },
  },
  {
    ability,
    name: 'entries of sessions that are absent or ended are dropped, and those of living ones in the same batch kept',
    async run(kit) {
      const [living, ended, absent] = [await kit.stored(), await kit.stored(), kit.make()];
      await kit.end(ended);
      const entry = (id: SessionId): JournalEntry => ({ id, at: kit.now, kind: 'log', text: 'late' });
      await append(kit, [entry(ended.id), entry(absent.id), entry(living.id)]);
      assert.equal((await read(kit, living.id)).length, 1);
      assert.deepEqual(await read(kit, ended.id), []);
      assert.deepEqual(await read(kit, absent.id), []);
    },
  },
  {
    ability,
    name: 'an entry creates no session and brings none back',
    async run(kit) {
      const [ended, absent] = [await kit.stored(), kit.make()];
      await kit.end(ended);
      for (const { id } of [ended, absent])
        await append(kit, [{ id, at: kit.now, kind: 'log', text: 'late' }]);
      assert.equal(await kit.load(absent.id), undefined);
      assert.equal((await kit.mustLoad(ended.id)).ended?.cause, 'logout');
    },
  },
  {
    ability,
    name: 'an entry changes nothing of its session',
    async run(kit) {
      const record = await kit.stored({ data: '{"n":1}' });
      await append(kit, [{ id: record.id, at: kit.now + 900, kind: 'request', text: 'GET /' }]);
      assert.equal((await kit.mustLoad(record.id)).seenAt, record.seenAt);
      await kit.saved(record);
    },
  },
  {
    ability,
    name: 'read answers a list for each id in their order, an empty one where nothing is',
    async run(kit) {
      const two = [await kit.stored(), await kit.stored()];
      // Those of one millisecond are in any order.
      const [x, y] = two.sort((one, other) => (one.id < other.id ? -1 : 1)) as [SessionRecord, SessionRecord];
      await append(kit, [
        { id: x.id, at: kit.now, kind: 'log', text: 'x' },
        { id: y.id, at: kit.now, kind: 'log', text: 'y' },
      ]);
      const lists = await kit.with('journal').read([y.id, kit.make().id, x.id], kit.signal);
      assert.deepEqual(lists.map(textsOf), [['y'], [], ['x']]);
    },
  },
];
