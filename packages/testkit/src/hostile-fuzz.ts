import assert from 'node:assert/strict';
import type { SessionId, SessionRecord } from '@sessionkit/session-core';
import { sameRecord } from './backend-kit.js';
import type { HostileCase } from './hostile-kit.js';
import { randomData, randomName, seeded } from './hostile-values.js';

export const fuzzCases: readonly HostileCase[] = [
  {
    name: 'a random run of saves, logins and ends with random names and data leaves what it should',
    async run(kit) {
      const random = seeded(kit.seed);
      const names = Array.from({ length: 40 }, () => randomName(random));
      const name = () => (random() < 0.5 ? randomName(random) : (names[Math.floor(random() * 40)] as string));
      const open = new Map<SessionId, SessionRecord>();
      const over = new Map<SessionId, SessionRecord>();
      const listable = 'list' in kit.a;
      for (let step = 0; step < kit.steps; step++) {
        const place = `seed ${kit.seed}, step ${step}`;
        const [picked] = [...open.values()].slice(Math.floor(random() * open.size));
        const what = random();
        if (picked === undefined || what < 0.5) {
          const record = kit.make({ user: name(), service: name(), data: randomData(random) });
          assert.equal(await kit.a.save(record, kit.signal), true, place);
          open.set(record.id, record);
        } else if (what < 0.8) {
          const next = kit.next(picked, { user: name(), epoch: picked.epoch + 1, data: randomData(random) });
          assert.equal(await kit.a.save(next, kit.signal), true, place);
          open.set(next.id, next);
        } else {
          assert.deepEqual(await kit.end(picked, { by: name() }), [picked.id], place);
          open.delete(picked.id);
          over.set(picked.id, picked);
        }
        if (listable) {
          const query = random() < 0.5 ? { user: name() } : { service: name() };
          const wanted = [...open.values(), ...over.values()].filter((record) =>
            'user' in query ? record.user === query.user : record.service === query.service,
          );
          await kit.holds(
            query,
            wanted.map(({ id }) => id),
          );
        }
        kit.tally.random++;
      }
      for (const record of open.values()) sameRecord(await kit.mustLoad(record.id), record);
      for (const { id } of over.values()) assert.equal((await kit.mustLoad(id)).ended?.cause, 'logout');
      if (!listable) return;
      await kit.holds({ state: 'open' }, [...open.keys()]);
      await kit.holds({ state: 'ended' }, [...over.keys()]);
    },
  },
];
