import assert from 'node:assert/strict';
import { type Change, hashSecret, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import type { BackendCase, BackendKit } from './backend-kit.js';

const ability = 'watch';

const about = (heard: readonly Change[], id: SessionId) => heard.filter((change) => change.id === id);

/** Ends a session that nothing was done to before, and waits for the notice: what was to be heard before it has been heard. */
async function caughtUp(kit: BackendKit, heard: readonly Change[]): Promise<void> {
  const last = await kit.stored();
  await kit.end(last);
  await kit.until('the notice of an end', () => about(heard, last.id).length > 0);
}

export const watchingCases: readonly BackendCase[] = [
  {
    ability,
    name: 'a save that changes user, epoch, secret, killAt, parameters, filters or restartedAt is announced to all',
    async run(kit) {
      const changes: readonly Partial<SessionRecord>[] = [
        { user: 'ann' },
        { epoch: 1 },
        { secretHash: hashSecret('another') },
        { killAt: kit.now + 60_000 },
        { parameters: { log_info: true } },
        { parameters: { log_info: false } },
        { filters: ['one', 'two'] },
        { filters: ['two', 'one'] },
        { filters: [] },
        { filters: undefined },
        { restartedAt: kit.now },
      ];
      const own = await kit.hear(kit.a);
      const other = await kit.hear(kit.b);
      let record = await kit.stored();
      for (const change of changes) {
        record = await kit.saved(record, change);
        const { id, version } = record;
        for (const { heard } of [own, other])
          await kit.until(`the notice of ${JSON.stringify(change)}`, () =>
            about(heard, id).some((notice) => notice.what === 'saved' && notice.version === version),
          );
      }
      await own.stop();
      await other.stop();
    },
  },
  {
    ability,
    name: 'an end is announced to all, with its cause',
    async run(kit) {
      const own = await kit.hear(kit.a);
      const other = await kit.hear(kit.b);
      const record = await kit.stored();
      await kit.end(record, { cause: 'killed' });
      for (const { heard } of [own, other])
        await kit.until('the notice of the end', () =>
          about(heard, record.id).some(({ what, cause }) => what === 'ended' && cause === 'killed'),
        );
      await own.stop();
      await other.stop();
    },
  },
  {
    ability,
    name: 'saves of data and last use alone are not announced, and touches are not',
    async run(kit) {
      const { heard, stop } = await kit.hear(kit.b);
      const first = await kit.stored({
        filters: ['one'],
        parameters: { log_info: true },
        killAt: kit.now + 9e6,
      });
      const second = await kit.saved(first, {
        data: '{"n":1}',
        dataVersion: 2,
        seenAt: kit.now + 1,
        filters: ['one'],
        parameters: { log_info: true },
      });
      await kit.touch(second, kit.now + 500);
      await caughtUp(kit, heard);
      const news = about(heard, first.id).filter(({ version }) => version > 1);
      assert.deepEqual(news, []);
      await stop();
    },
  },
  {
    ability,
    name: 'what was refused is not announced',
    async run(kit) {
      const record = await kit.stored();
      const kept = await kit.saved(record);
      const { heard, stop } = await kit.hear(kit.b);
      assert.equal(await kit.a.save(kit.next(record, { user: 'eve' }), kit.signal), false);
      assert.equal(await kit.a.save(kit.next(kept, { version: 9, user: 'eve' }), kit.signal), false);
      const absent = kit.make();
      await kit.end(absent);
      await caughtUp(kit, heard);
      assert.deepEqual([...about(heard, record.id), ...about(heard, absent.id)], []);
      await stop();
    },
  },
  {
    ability,
    name: 'who has stopped watching hears nothing more, and others go on hearing',
    async run(kit) {
      const gone = await kit.hear(kit.b);
      const stays = await kit.hear(kit.b);
      await gone.stop();
      const record = await kit.stored();
      await kit.end(record);
      await kit.until('the notice of the end', () => about(stays.heard, record.id).length > 0);
      assert.deepEqual(gone.heard, []);
      await stays.stop();
    },
  },
  {
    ability,
    name: 'a listener that throws keeps neither the change nor the other listeners from their work',
    async run(kit) {
      const stop = await kit.with('watch', kit.b).watch(() => {
        throw new Error('this listener always fails; that is its part in the test');
      });
      const other = await kit.hear(kit.b);
      const record = await kit.stored();
      assert.deepEqual(await kit.end(record), [record.id]);
      await kit.until('the notice to the other listener', () => about(other.heard, record.id).length > 0);
      await stop();
      await other.stop();
    },
  },
];
