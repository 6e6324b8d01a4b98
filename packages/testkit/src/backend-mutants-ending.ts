import type { SessionId, SessionRecord } from '@sessionkit/session-core';
import {
  type BackendMutant,
  currentOf,
  type Full,
  force,
  mutant,
  newWriteId,
  type Overlay,
  overlaid,
  pause,
  SIGNAL,
  shownAs,
  simple,
} from './backend-mutant-kit.js';
import { testEnvironment } from './environment.js';
import { makeRecord } from './records.js';

const environment = testEnvironment();

/** A backend whose verb creates what is absent. */
const stub = (sound: Full, id: SessionId) => sound.save(makeRecord(environment, { id }), SIGNAL);

/** Shows other members of what has ended. */
const keeping = (name: string, show: (before: SessionRecord) => Partial<SessionRecord>): BackendMutant =>
  overlaid(name, (sound, overlay) => ({
    async end(ids, how, signal) {
      const before = await Promise.all(ids.map((id) => currentOf(sound, id)));
      const ended = await sound.end(ids, how, signal);
      for (const record of before)
        if (record && ended.includes(record.id)) overlay.set(record.id, show(record));
      return ended;
    },
  }));

export const endingMutants: readonly BackendMutant[] = [
  simple('an ended session is deleted', (sound) => ({
    load: shownAs(sound, (record) => (record.ended === undefined ? record : undefined)),
  })),
  keeping('an ended session keeps its data', ({ data }) => ({ data })),
  keeping('an ended session loses its user', () => ({ user: undefined })),
  keeping('an ended session loses its hashes', () => ({ secretHash: '', prior: undefined })),
  keeping('an ended session loses its last use', ({ startedAt }) => ({ seenAt: startedAt })),
  {
    name: 'the data of an ended session stays in the store',
    breaks(opened) {
      const last = new Map<SessionId, string>();
      const { peek } = opened;
      const kept = mutant(
        '',
        () => undefined,
        (sound) => ({
          save: (record, signal) => {
            last.set(record.id, record.data);
            return sound.save(record, signal);
          },
        }),
      );
      return {
        ...kept.breaks(opened),
        peek: async (id) => ({ ...Object(await peek(id)), old: last.get(id) }),
      };
    },
  },
  simple('every end is a logout', (sound) => ({
    end: (ids, how, signal) => sound.end(ids, { ...how, cause: 'logout' }, signal),
  })),
  simple('nobody is told who ended a session', (sound) => ({
    end: (ids, how, signal) => sound.end(ids, { ...how, by: '' }, signal),
  })),
  simple('only a session that was never saved again can be ended', (sound) => ({
    async end(ids, how, signal) {
      const records = await Promise.all(ids.map((id) => currentOf(sound, id)));
      const first = records.flatMap((record) => (record?.version === 1 ? record.id : []));
      return sound.end(first, how, signal);
    },
  })),
  simple('end creates', (sound) => ({
    async end(ids, how, signal) {
      for (const id of ids) if ((await currentOf(sound, id)) === undefined) await stub(sound, id);
      return sound.end(ids, how, signal);
    },
  })),
  overlaid('the last end overwrites the first', (sound, overlay) => ({
    async end(ids, how, signal) {
      const { at, cause, by } = how;
      for (const id of ids) overlay.set(id, { ended: { at, cause, by } });
      return sound.end(ids, how, signal);
    },
  })),
  simple('end answers what was ended before as well', (sound) => ({
    async end(ids, how, signal) {
      await sound.end(ids, how, signal);
      const records = await Promise.all(ids.map((id) => currentOf(sound, id)));
      return records.flatMap((record) => record?.id ?? []);
    },
  })),
  simple('end looks first and writes afterwards', (sound) => ({
    async end(ids, how, signal) {
      const records = await Promise.all(ids.map((id) => currentOf(sound, id)));
      const open = records.flatMap((record) => (record && record.ended === undefined ? record.id : []));
      await pause();
      await sound.end(open, how, signal);
      return open;
    },
  })),
  simple('end answers an id as often as it was given', (sound) => ({
    async end(ids, how, signal) {
      const ended = await sound.end(ids, how, signal);
      return ids.filter((id) => ended.includes(id));
    },
  })),
  simple('end of nothing ends everything', (sound) => ({
    async end(ids, how, signal) {
      if (ids.length > 0) return sound.end(ids, how, signal);
      throw new TypeError('nothing to end');
    },
  })),
];

/** Moves the last use to whatever a touch says, of living sessions. */
async function setUses(sound: Full, overlay: Overlay, batch: Parameters<Full['touch']>[0]) {
  for (const { id, epoch, seenAt } of batch) {
    const current = await currentOf(sound, id);
    if (current?.epoch === epoch && current.ended === undefined) overlay.set(id, { seenAt });
  }
}

export const touchingMutants: readonly BackendMutant[] = [
  simple('touches are forgotten', () => ({ touch: async () => [] })),
  overlaid('a touch moves seenAt back', (sound, overlay) => ({
    async touch(batch, signal) {
      await setUses(sound, overlay, batch);
      return sound.touch(batch, signal);
    },
  })),
  simple('a touch makes a new version', (sound) => ({
    async touch(batch, signal) {
      const missed = await sound.touch(batch, signal);
      for (const { id } of batch) {
        const current = await currentOf(sound, id);
        if (current && current.ended === undefined) await force(sound, current, newWriteId());
      }
      return missed;
    },
  })),
  simple('a touch never says what it missed', (sound) => ({
    touch: async (batch, signal) => (await sound.touch(batch, signal)).slice(0, 0),
  })),
  simple('a touch says that it missed everything', (sound) => ({
    async touch(batch, signal) {
      await sound.touch(batch, signal);
      return batch.map(({ id }) => id);
    },
  })),
  simple('a touch does not look at the epoch', (sound) => ({
    async touch(batch, signal) {
      const records = await Promise.all(batch.map(({ id }) => currentOf(sound, id)));
      const fitting = batch.map((touch, at) => ({ ...touch, epoch: records[at]?.epoch ?? touch.epoch }));
      return sound.touch(fitting, signal);
    },
  })),
  simple('a touch of a newer epoch is obeyed', (sound) => ({
    async touch(batch, signal) {
      const records = await Promise.all(batch.map(({ id }) => currentOf(sound, id)));
      const fitting = batch.map((touch, at) => ({
        ...touch,
        epoch: Math.min(touch.epoch, records[at]?.epoch ?? touch.epoch),
      }));
      return sound.touch(fitting, signal);
    },
  })),
  simple('a touch creates', (sound) => ({
    async touch(batch, signal) {
      for (const { id } of batch) if ((await currentOf(sound, id)) === undefined) await stub(sound, id);
      return sound.touch(batch, signal);
    },
  })),
  simple('a batch of touches ends after 100', (sound) => ({
    touch: (batch, signal) => sound.touch(batch.slice(0, 100), signal),
  })),
];
