import assert from 'node:assert/strict';
import { ABILITIES, type Backend, can, type Millis } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';
import { fails, sameRecord } from './backend-kit.js';

const CLOCKS_APART: Millis = 600_000;

/** One call of each verb and of each ability that `backend` has, all on one session. */
function calls(
  kit: BackendKit,
  backend: Backend,
  signal: AbortSignal,
): Record<string, () => Promise<unknown>> {
  const record = kit.make({ user: 'ann' });
  const { id } = record;
  const link = { id, process: 'one', since: kit.now, detail: {} };
  const entry = { id, at: kit.now, kind: 'log', text: 'late' } as const;
  const claim = { service: 'shop', user: 'ann', id, at: kit.now, max: 1, full: 'refuse' } as const;
  return {
    load: () => backend.load([id], signal),
    save: () => backend.save(record, signal),
    touch: () => backend.touch([{ id, epoch: 0, seenAt: kit.now }], signal),
    end: () => backend.end([id], kit.ending(), signal),
    now: () => backend.now(signal),
    ...(can(backend, 'inspect') && {
      list: () => backend.list({ limit: 1 }, signal),
      count: () => backend.count({}, signal),
    }),
    ...(can(backend, 'sweep') && { sweep: () => backend.sweep(0, 1, signal) }),
    ...(can(backend, 'watch') && { watch: () => backend.watch(() => {}) }),
    ...(can(backend, 'slots') && { claim: () => backend.claim(claim, signal) }),
    ...(can(backend, 'journal') && {
      append: () => backend.append({ batchId: `late-${id}`, entries: [entry] }, signal),
      read: () => backend.read([id], signal),
    }),
    ...(can(backend, 'presence') && {
      announce: () => backend.announce('one', [link], 60_000, signal),
      present: () => backend.present([id], signal),
    }),
  };
}

export const closingCases: readonly BackendCase[] = [
  {
    name: 'an ability is there in both instances with all its methods, or not at all',
    async run(kit) {
      const methods = [
        'list',
        'count',
        'sweep',
        'watch',
        'claim',
        'fences',
        'raise',
        'append',
        'read',
        'announce',
        'present',
      ];
      const [inA, inB] = [kit.a, kit.b].map((each) =>
        methods.filter((name) => typeof Reflect.get(each, name) === 'function'),
      );
      assert.deepEqual(inA, inB);
      const whole = ABILITIES.filter((ability) => can(kit.a, ability));
      const halves = { inspect: 2, sweep: 1, watch: 1, slots: 1, fences: 2, journal: 2, presence: 2 };
      assert.equal(
        inA?.length,
        whole.reduce((sum, ability) => sum + halves[ability], 0),
      );
    },
  },
  {
    name: 'the clock of the store is one for all instances, in ms of the Unix epoch, or there is none',
    async run(kit) {
      const [a, b] = [await kit.a.now(kit.signal), await kit.b.now(kit.signal)];
      assert.equal(typeof a, typeof b);
      for (const now of [a, b])
        assert.ok(
          now === undefined || Math.abs(now - kit.environment.now()) < CLOCKS_APART,
          `it says ${now}`,
        );
      assert.ok(a === undefined || b === undefined || Math.abs(a - b) < 5_000, `${a} and ${b}`);
    },
  },
  {
    name: 'after close every call fails with BACKEND_CLOSED',
    async run(kit) {
      const all = calls(kit, kit.b, kit.signal);
      await kit.b.close();
      for (const call of Object.values(all)) await fails(call(), 'BACKEND_CLOSED');
    },
  },
  {
    name: 'a closed instance writes nothing',
    async run(kit) {
      const record = await kit.stored();
      await kit.b.close();
      await Promise.allSettled([
        kit.b.save(kit.next(record, { data: '{"late":1}' }), kit.signal),
        kit.touch(record, kit.now + 500, kit.b),
        kit.b.end([record.id], kit.ending(), kit.signal),
      ]);
      sameRecord(await kit.mustLoad(record.id, kit.a), record);
    },
  },
  {
    name: 'closing again does nothing',
    async run(kit) {
      await kit.b.close();
      assert.equal(await kit.b.close(), undefined);
    },
  },
  {
    name: 'closing one instance leaves the store to the others',
    async run(kit) {
      const record = await kit.stored();
      await kit.b.close();
      sameRecord(await kit.mustLoad(record.id, kit.a), record);
      await kit.saved(record, { data: '{"n":2}' });
    },
  },
  {
    ability: 'watch',
    name: 'a closed instance hears nothing more',
    async run(kit) {
      const closed = await kit.hear(kit.b);
      const open = await kit.hear(kit.a);
      await kit.b.close();
      const record = await kit.stored();
      await kit.end(record);
      await kit.until('the notice to the open instance', () => open.heard.length > 0);
      assert.deepEqual(closed.heard, []);
      await open.stop();
    },
  },
  {
    name: 'a write whose signal has aborted before it was sent is not written, and fails',
    async run(kit) {
      const record = await kit.stored();
      const fresh = kit.make();
      const gone = AbortSignal.abort();
      await fails(kit.a.save(fresh, gone), 'BACKEND_FAILED', 'BACKEND_DOWN');
      await fails(
        kit.a.save(kit.next(record, { data: '{"late":1}' }), gone),
        'BACKEND_FAILED',
        'BACKEND_DOWN',
      );
      const touch = { id: record.id, epoch: 0, seenAt: kit.now + 900 };
      await fails(kit.a.touch([touch], gone), 'BACKEND_FAILED', 'BACKEND_DOWN');
      await fails(kit.a.end([record.id], kit.ending(), gone), 'BACKEND_FAILED', 'BACKEND_DOWN');
      assert.equal(await kit.load(fresh.id), undefined);
      sameRecord(await kit.mustLoad(record.id), record);
    },
  },
  {
    ability: 'slots',
    name: 'a claim whose signal has aborted takes no place',
    async run(kit) {
      const claim = { service: 'shop', user: 'ann', at: kit.now, max: 1, full: 'refuse' } as const;
      const slots = kit.with('slots');
      const gone = AbortSignal.abort();
      await fails(slots.claim({ ...claim, id: kit.make().id }, gone), 'BACKEND_FAILED', 'BACKEND_DOWN');
      assert.deepEqual(await slots.claim({ ...claim, id: kit.make().id }, kit.signal), []);
    },
  },
  {
    ability: 'journal',
    name: 'a batch of entries whose signal has aborted is not kept, and is when it comes again',
    async run(kit) {
      const { id } = await kit.stored();
      const journal = kit.with('journal');
      const batch = {
        batchId: `again-${id}`,
        entries: [{ id, at: kit.now, kind: 'log', text: 'x' }],
      } as const;
      await fails(journal.append(batch, AbortSignal.abort()), 'BACKEND_FAILED', 'BACKEND_DOWN');
      assert.deepEqual(await journal.read([id], kit.signal), [[]]);
      await journal.append(batch, kit.signal);
      assert.equal((await journal.read([id], kit.signal))[0]?.length, 1);
    },
  },
  {
    ability: 'presence',
    name: 'an announcement whose signal has aborted changes nothing',
    async run(kit) {
      const { id } = await kit.stored();
      const presence = kit.with('presence');
      const link = { id, process: 'one', since: kit.now, detail: {} };
      await fails(
        presence.announce('one', [link], 60_000, AbortSignal.abort()),
        'BACKEND_FAILED',
        'BACKEND_DOWN',
      );
      assert.deepEqual(await presence.present([id], kit.signal), []);
    },
  },
];
