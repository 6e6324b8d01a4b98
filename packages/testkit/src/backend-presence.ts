import assert from 'node:assert/strict';
import type { Link, Millis, SessionId } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';

const ability = 'presence';
/** Short enough to be waited for where the store's clock cannot be turned. */
const TTL: Millis = 400;
const LONG: Millis = 60_000;

function linkOf(kit: BackendKit, process: string, id: SessionId, detail: Link['detail'] = {}): Link {
  return { id, process, since: kit.now, detail };
}

async function announce(kit: BackendKit, process: string, ids: readonly SessionId[], ttl = LONG, by = kit.a) {
  const links = ids.map((id) => linkOf(kit, process, id));
  await kit.with('presence', by).announce(process, links, ttl, kit.signal);
}

/** `process id` of each link, sorted. */
async function present(kit: BackendKit, ids: readonly SessionId[]): Promise<string[]> {
  const links = await kit.with('presence', kit.b).present(ids, kit.signal);
  return links.map(({ process, id }) => `${process} ${id}`).sort();
}

export const presenceCases: readonly BackendCase[] = [
  {
    ability,
    name: 'a link that one process announces is seen whole by another',
    async run(kit) {
      const { id } = await kit.stored();
      const detail = {
        server: 'server1',
        cipher: 'TLS_AES_128_GCM_SHA256',
        bytes: 7,
        nested: { é: [1, null] },
      };
      const link = linkOf(kit, 'one', id, detail);
      await kit.with('presence', kit.a).announce('one', [link], LONG, kit.signal);
      const links = await kit.with('presence', kit.b).present([id], kit.signal);
      assert.deepEqual(JSON.parse(JSON.stringify(links)), JSON.parse(JSON.stringify([link])));
    },
  },
  {
    ability,
    name: 'links of two processes on one session are both present',
    async run(kit) {
      const { id } = await kit.stored();
      await announce(kit, 'one', [id], LONG, kit.a);
      await announce(kit, 'two', [id], LONG, kit.b);
      assert.deepEqual(await present(kit, [id]), [`one ${id}`, `two ${id}`]);
    },
  },
  {
    ability,
    name: 'two links of one process on one session are both present',
    async run(kit) {
      const { id } = await kit.stored();
      await announce(kit, 'one', [id, id]);
      assert.equal((await present(kit, [id])).length, 2);
    },
  },
  {
    ability,
    name: 'only the sessions that are asked for are answered',
    async run(kit) {
      const [x, y, z] = [await kit.stored(), await kit.stored(), await kit.stored()];
      await announce(kit, 'one', [x.id, y.id, z.id]);
      assert.deepEqual(
        await present(kit, [z.id, x.id, kit.make().id]),
        [`one ${x.id}`, `one ${z.id}`].sort(),
      );
      assert.deepEqual(await present(kit, []), []);
    },
  },
  {
    ability,
    name: 'an announcement replaces all links of its process and none of another',
    async run(kit) {
      const [x, y] = [await kit.stored(), await kit.stored()];
      await announce(kit, 'one', [x.id]);
      await announce(kit, 'two', [x.id]);
      await announce(kit, 'one', [y.id]);
      assert.deepEqual(await present(kit, [x.id, y.id]), [`two ${x.id}`, `one ${y.id}`].sort());
    },
  },
  {
    ability,
    name: 'an announcement of nothing takes all links of the process away',
    async run(kit) {
      const { id } = await kit.stored();
      await announce(kit, 'one', [id]);
      await announce(kit, 'one', []);
      assert.deepEqual(await present(kit, [id]), []);
    },
  },
  {
    ability,
    name: 'links vanish when their lease runs out, and not before',
    async run(kit) {
      const { id } = await kit.stored();
      await announce(kit, 'short', [id], TTL);
      await announce(kit, 'long', [id], LONG);
      await kit.elapse(TTL / 4);
      assert.deepEqual(await present(kit, [id]), [`long ${id}`, `short ${id}`]);
      await kit.elapse(TTL);
      assert.deepEqual(await present(kit, [id]), [`long ${id}`]);
    },
  },
  {
    ability,
    name: 'announcing again renews the lease',
    async run(kit) {
      const { id } = await kit.stored();
      await announce(kit, 'one', [id], TTL);
      await announce(kit, 'one', [id], LONG);
      await kit.elapse(2 * TTL);
      assert.deepEqual(await present(kit, [id]), [`one ${id}`]);
    },
  },
];
