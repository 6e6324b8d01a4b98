import assert from 'node:assert/strict';
import type { Json, Link, SessionId, SessionRecord } from '@sessionkit/session-core';
import { sameRecord } from './backend-kit.js';
import { type HostileCase, type HostileKit, orRefused } from './hostile-kit.js';
import { DATA, NAMES, REFUSED_DATA, REFUSED_NAMES } from './hostile-values.js';

const TEXTS = [...NAMES, ...REFUSED_NAMES];

/** Texts that no session can have as its id, made from one that a session has. */
function impossible(id: SessionId): SessionId[] {
  const texts = [
    '',
    ' ',
    id.toUpperCase(),
    `${id} `,
    ` ${id}`,
    `${id}\0`,
    `\0${id}`,
    `${id}\n`,
    `${id}!`,
    `${id}'`,
    `${id}' or '1'='1`,
    `${id}"`,
    `${id}}:journal`,
    `{${id}}`,
    `${id}:journal`,
    `${id.slice(0, -1)}?`,
    `${id.slice(0, -1)}_`,
    `${id.slice(0, 9)}*`,
    `${id.slice(0, 9)}%`,
    `${id}\ud800`,
    '*',
    '%',
    's%',
    '[a-z]*',
    '{}',
    '__proto__',
    'constructor',
    'toString',
    '0',
    'ａｎｎ',
    id.repeat(400),
  ];
  return texts as SessionId[];
}

async function keeps(kit: HostileKit, value: string, must: boolean, members: Partial<SessionRecord>) {
  const record = kit.make(members);
  await kit.offer(value, {
    must,
    give: async () => assert.equal(await kit.a.save(record, kit.signal), true),
    kept: async () => sameRecord(await kit.mustLoad(record.id), record),
  });
}

export const dataCases: readonly HostileCase[] = [
  {
    name: 'data is kept as the text that it is, by the first save and by the next one, and is gone after the end',
    async run(kit) {
      const most = kit.a.traits.maxRecordBytes ?? Number.POSITIVE_INFINITY;
      for (const [given, must] of [[DATA, true] as const, [REFUSED_DATA, false] as const])
        for (const [what, data] of Object.entries(given)) {
          const record = kit.make({ data });
          const next = kit.next(record, { user: 'ann', epoch: 1 });
          const fits = Buffer.byteLength(data) + 2_000 < most;
          const kept = await kit.offer(data, {
            must: must && fits,
            give: async () => assert.equal(await kit.a.save(record, kit.signal), true, what),
            async kept() {
              assert.ok((await kit.mustLoad(record.id)).data === data, what);
              assert.equal(await kit.a.save(next, kit.signal), true, what);
              assert.ok((await kit.mustLoad(record.id)).data === data, `${what}, saved again`);
              await kit.end(next);
              assert.equal((await kit.mustLoad(record.id)).data, '{}', what);
            },
          });
          if (!kept) assert.equal(await kit.load(record.id), undefined, what);
        }
    },
  },
  {
    name: 'a version that is refused leaves the one before it as it was',
    async run(kit) {
      for (const data of Object.values(REFUSED_DATA)) {
        const record = await kit.stored({ data: '{"before":1}' });
        const next = kit.next(record, { data });
        await kit.offer(data, {
          must: false,
          give: async () => {
            await kit.a.save(next, kit.signal).catch(async (error: unknown) => {
              sameRecord(await kit.mustLoad(record.id), record);
              throw error;
            });
          },
          kept: async () => assert.ok((await kit.mustLoad(record.id)).data === data),
        });
      }
    },
  },
  {
    name: 'what is known of a client, unknown members and names of filters are kept or refused',
    async run(kit) {
      for (const text of TEXTS) {
        const must = !REFUSED_NAMES.includes(text);
        const { client } = kit.make();
        const extra = JSON.parse(JSON.stringify({ [text]: [text] })) as Record<string, Json>;
        await keeps(kit, text, must, {
          client: { ...client, userAgent: text, attributes: { [`x${text}`]: text } },
          filters: [text],
          extra,
        });
        await keeps(kit, text, must, { client: { ...client, ip: text } });
      }
    },
  },
  {
    name: 'who ended a session is kept or refused',
    async run(kit) {
      for (const by of TEXTS) {
        const record = await kit.stored();
        const kept = await kit.offer(by, {
          must: !REFUSED_NAMES.includes(by),
          give: async () => assert.deepEqual(await kit.end(record, { by }), [record.id]),
          kept: async () => assert.equal((await kit.mustLoad(record.id)).ended?.by, by),
        });
        if (!kept) assert.equal((await kit.mustLoad(record.id)).ended, undefined);
      }
    },
  },
  {
    name: 'an id that no session can have is nobody, and the others of its batch are served',
    async run(kit) {
      const [x, y] = [await kit.stored(), await kit.stored({ user: 'ann' })];
      const nobody = impossible(x.id);
      const loaded = await kit.b.load([x.id, ...nobody, y.id], kit.signal);
      sameRecord(loaded.at(0) as SessionRecord, x);
      sameRecord(loaded.at(-1) as SessionRecord, y);
      assert.deepEqual(
        loaded.slice(1, -1),
        nobody.map(() => undefined),
      );
      for (const id of nobody) assert.deepEqual(await kit.b.load([id], kit.signal), [undefined]);
      const batch = [x.id, ...nobody, y.id].map((id) => ({ id, epoch: 0, seenAt: kit.now + 50 }));
      const missed = await kit.a.touch(batch, kit.signal);
      assert.deepEqual([...missed].sort(), [...nobody].sort(), 'absent to a touch');
      assert.equal((await kit.mustLoad(x.id)).seenAt, kit.now + 50);
      assert.deepEqual(await kit.a.end([...nobody, x.id], kit.ending(), kit.signal), [x.id]);
      assert.equal((await kit.mustLoad(y.id)).ended, undefined);
      kit.tally.values += nobody.length;
      kit.tally.refused += nobody.length;
    },
  },
  {
    name: 'a session with an id that no session can have is kept under it or refused',
    async run(kit) {
      const x = await kit.stored();
      for (const id of impossible(x.id)) {
        const record = kit.make({ id });
        await kit.offer(id, {
          must: false,
          give: async () => assert.equal(await kit.a.save(record, kit.signal), true),
          async kept() {
            sameRecord(await kit.mustLoad(id), record);
            if ('list' in kit.a) assert.ok((await kit.ids({})).includes(id), 'it is not listed');
            assert.deepEqual(await kit.end(record), [id]);
          },
        });
        sameRecord(await kit.mustLoad(x.id), x);
      }
      assert.equal((await kit.mustLoad(x.id)).ended, undefined);
    },
  },
  {
    ability: 'journal',
    name: 'entries of a journal are kept as they are or refused; those of nobody are dropped alone',
    async run(kit) {
      const journal = kit.with('journal');
      for (const [n, text] of TEXTS.entries()) {
        const { id } = await kit.stored();
        const entries = [{ id, at: kit.now, kind: 'log', text }] as const;
        await kit.offer(text, {
          must: !REFUSED_NAMES.includes(text),
          give: () => journal.append({ batchId: `${n}`, entries }, kit.signal),
          kept: async () =>
            assert.deepEqual(await kit.with('journal', kit.b).read([id], kit.signal), [entries]),
        });
      }
      const x = await kit.stored();
      const nobody = impossible(x.id);
      const entry = (id: SessionId) => ({ id, at: kit.now, kind: 'request', text: 'GET /' }) as const;
      const entries = [...nobody, x.id].map(entry);
      await journal.append({ batchId: 'all', entries }, kit.signal);
      const read = await journal.read([...nobody, x.id], kit.signal);
      assert.deepEqual(read, [...nobody.map(() => []), [entry(x.id)]]);
    },
  },
  {
    ability: 'presence',
    name: 'processes and what they say of their links are kept as they are or refused',
    async run(kit) {
      const presence = kit.with('presence');
      const announced: Link[] = [];
      const shows = async (links: readonly Link[]) => {
        for (const link of links) {
          const shown = await kit.with('presence', kit.b).present([link.id], kit.signal);
          assert.equal(JSON.stringify(shown.map(sorted)), JSON.stringify([sorted(link)]));
        }
      };
      for (const text of TEXTS) {
        const { id } = await kit.stored();
        const link: Link = { id, process: text, since: kit.now, detail: { text, [`x${text}`]: 1 } };
        const kept = await kit.offer(text, {
          must: !REFUSED_NAMES.includes(text),
          give: () => presence.announce(text, [link], 60_000, kit.signal),
          kept: () => shows([link]),
        });
        if (kept) announced.push(link);
      }
      // None has taken the place of another.
      await shows(announced);
      const { id } = await kit.stored();
      const links = [...impossible(id), id].map((each) => ({ id: each, process: 'p', since: 1, detail: {} }));
      await orRefused(() => presence.announce('p', links, 60_000, kit.signal));
      await presence.announce('p', links.slice(-1), 60_000, kit.signal);
      const shown = await presence.present([...impossible(id), id], kit.signal);
      assert.deepEqual(
        shown.map((link) => link.id),
        [id],
      );
    },
  },
];

function sorted({ id, process, since, detail }: Link) {
  return [id, process, since, Object.entries(detail).sort(([x], [y]) => (x < y ? -1 : 1))];
}
