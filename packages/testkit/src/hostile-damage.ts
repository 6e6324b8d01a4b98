import assert from 'node:assert/strict';
import { SessionError, type SessionRecord } from '@sessionkit/session-core';
import { sameRecord } from './backend-kit.js';
import type { Damage, HostileCase, HostileKit, OpenHostile } from './hostile-kit.js';

const applies = ({ damages = [] }: OpenHostile) => damages.length > 0;

/** Three sessions of a user, the middle one damaged. */
async function trio(kit: HostileKit, damage: Damage): Promise<[SessionRecord, SessionRecord, SessionRecord]> {
  const [x, y, z] = await kit.storedMany(3, () => ({ user: 'ann', service: damage.name.slice(0, 100) }));
  assert.ok(x !== undefined && y !== undefined && z !== undefined);
  await damage.apply(y.id);
  kit.tally.damaged++;
  return [x, y, z];
}

/** Runs `look` for each damage, and says at which ones it failed. */
async function forEachDamage(kit: HostileKit, look: (damage: Damage) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  for (const damage of kit.damages)
    await look(damage).catch((error: Error) => failures.push(`${damage.name}: ${error.message}`));
  assert.deepEqual(failures, []);
}

export const damageCases: readonly HostileCase[] = [
  {
    applies,
    name: 'a session that cannot be understood is RECORD_CORRUPT in its place; what a newer version wrote is read',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, y, z] = await trio(kit, damage);
        const alone = await kit.b.load([y.id], kit.signal);
        const found = await kit.b.load([x.id, y.id, z.id], kit.signal);
        assert.equal(found.length, 3);
        sameRecord(found[0] as SessionRecord, x);
        sameRecord(found[2] as SessionRecord, z);
        for (const each of [...alone, found[1]]) {
          if (damage.readable) sameUser(each, y);
          else
            assert.equal(each instanceof SessionError && each.code, 'RECORD_CORRUPT', JSON.stringify(each));
        }
      });
    },
  },
  {
    applies,
    name: 'what makes a session unreadable is said without its data',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const data = '{"card":"4111 1111 1111 1111"}';
        const record = await kit.stored({ data });
        await damage.apply(record.id);
        const [found] = await kit.b.load([record.id], kit.signal);
        if (damage.readable) return;
        assert.ok(found instanceof SessionError, 'it is not RECORD_CORRUPT');
        assert.ok(found.message.includes(record.id), 'the fault does not name the session');
        for (let error: unknown = found; error instanceof Error; error = error.cause)
          for (const secret of ['4111', record.secretHash])
            assert.ok(
              !`${error.message} ${error.stack}`.includes(secret),
              'the fault carries what is stored',
            );
      });
    },
  },
  {
    applies,
    name: 'a damaged session is not saved over, but by a whole record that takes its place',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [, y] = await trio(kit, damage);
        const next = kit.next(y, { data: '{"n":2}' });
        let saved = false;
        try {
          saved = await kit.a.save(next, kit.signal);
        } catch (error) {
          assert.equal(error instanceof SessionError && error.code, 'RECORD_CORRUPT', `${error}`);
        }
        if (saved) assert.equal((await kit.mustLoad(y.id)).data, next.data);
      });
    },
  },
  {
    applies,
    name: 'a batch of touches serves all but the damaged session',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, y, z] = await trio(kit, damage);
        const batch = [x, y, z].map(({ id, epoch }) => ({ id, epoch, seenAt: kit.now + 70 }));
        const missed = await kit.a.touch(batch, kit.signal);
        for (const { id } of [x, z]) {
          assert.ok(!missed.includes(id), 'a sound session is said to be gone');
          assert.equal((await kit.mustLoad(id)).seenAt, kit.now + 70);
        }
      });
    },
  },
  {
    applies,
    name: 'a batch of ends serves all, and a damaged session does not live after it',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, y, z] = await trio(kit, damage);
        const ended = await kit.a.end([x.id, y.id, z.id], kit.ending(), kit.signal);
        for (const { id } of [x, z]) {
          assert.ok(ended.includes(id), 'a sound session was not ended');
          assert.equal((await kit.mustLoad(id)).ended?.cause, 'logout');
        }
        const [found] = await kit.b.load([y.id], kit.signal);
        assert.ok(found instanceof SessionError || found === undefined || found.ended !== undefined);
      });
    },
  },
  {
    applies,
    ability: 'inspect',
    name: 'lists go on behind a damaged session, page by page, and counts are at most one off',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, y, z] = await trio(kit, damage);
        const { service } = x;
        for (const query of [{ service }, { service, user: 'ann' }, { service, state: 'open' }] as const) {
          const found = (await kit.ids(query)).filter((id) => id !== y.id);
          assert.deepEqual(found, [x.id, z.id], JSON.stringify(query));
          const pages: string[] = [];
          let after: SessionRecord['id'] | undefined;
          for (let page = 0; page < 5; page++) {
            const { items, next } = await kit.with('inspect').list({ ...query, after, limit: 1 }, kit.signal);
            for (const { id } of items) if (id !== y.id) pages.push(id);
            after = next;
            if (after === undefined) break;
          }
          assert.deepEqual(pages, [x.id, z.id], 'page by page');
          const count = await kit.with('inspect').count(query, kit.signal);
          assert.ok(count === 2 || count === 3, `counted ${count}`);
        }
      });
    },
  },
  {
    applies,
    ability: 'sweep',
    name: 'a sweep comes to its end, and takes all that is dead but the damaged session',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, , z] = await trio(kit, damage);
        const swept = await kit.with('sweep').sweep(kit.now + 1e10, 100, kit.signal);
        for (const { id } of [x, z]) assert.ok(swept.includes(id), 'a dead session was not swept');
        assert.equal(await kit.load(x.id), undefined);
      });
    },
  },
  {
    applies,
    ability: 'slots',
    name: 'a user with a damaged session can still be given a place',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x] = await trio(kit, damage);
        const id = kit.make().id;
        const { service, user = '' } = x;
        const claim = { service, user, id, at: kit.now, max: 4, full: 'refuse' } as const;
        assert.deepEqual(await kit.with('slots').claim(claim, kit.signal), []);
        const oldest = { ...claim, id: kit.make().id, max: 1, full: 'oldest' } as const;
        assert.ok((await kit.with('slots').claim(oldest, kit.signal)).includes(x.id));
      });
    },
  },
  {
    applies,
    ability: 'journal',
    name: 'a batch of a journal is kept for all but the damaged session',
    async run(kit) {
      await forEachDamage(kit, async (damage) => {
        const [x, y, z] = await trio(kit, damage);
        const entries = [x, y, z].map(({ id }) => ({ id, at: kit.now, kind: 'log', text: 'x' }) as const);
        await kit.with('journal').append({ batchId: damage.name, entries }, kit.signal);
        const read = await kit.with('journal', kit.b).read([x.id, y.id, z.id], kit.signal);
        assert.deepEqual([read[0], read[2]], [[entries[0]], [entries[2]]]);
      });
    },
  },
];

function sameUser(found: SessionRecord | SessionError | undefined, wanted: SessionRecord): void {
  assert.ok(found !== undefined && !(found instanceof SessionError), 'it cannot be read');
  assert.deepEqual([found.id, found.user, found.data], [wanted.id, wanted.user, wanted.data]);
}
