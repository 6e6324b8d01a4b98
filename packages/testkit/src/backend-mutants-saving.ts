import type { SessionId, SessionRecord } from '@sessionkit/session-core';
import {
  type BackendMutant,
  currentOf,
  type Full,
  force,
  mutant,
  newWriteId,
  overlaid,
  pause,
  SIGNAL,
  simple,
} from './backend-mutant-kit.js';

/** A save that is stored also where `wrongly` says so of what is stored and what is to be. */
function storing(
  name: string,
  wrongly: (current: SessionRecord, record: SessionRecord) => boolean,
): BackendMutant {
  return simple(name, (sound) => ({
    async save(record, signal) {
      const current = await currentOf(sound, record.id);
      if (current === undefined || current.ended !== undefined || !wrongly(current, record))
        return sound.save(record, signal);
      return force(sound, record, newWriteId());
    },
  }));
}

const lastOf = (record: SessionRecord) => record.writes.at(-1) ?? '';
const isRepeated = (current: SessionRecord, record: SessionRecord) => current.writes.includes(lastOf(record));
const isNew = (current: SessionRecord, record: SessionRecord) => !isRepeated(current, record);

/** Passes a record on otherwise than it was given. */
const changing = (
  name: string,
  change: (record: SessionRecord, current: SessionRecord | undefined) => SessionRecord,
): BackendMutant =>
  simple(name, (sound) => ({
    save: async (record, signal) => sound.save(change(record, await currentOf(sound, record.id)), signal),
  }));

async function looksThenWrites(sound: Full, record: SessionRecord): Promise<boolean> {
  const current = await currentOf(sound, record.id);
  if (current?.ended !== undefined || (current?.version ?? 0) + 1 !== record.version) return false;
  await pause();
  return force(sound, record, newWriteId());
}

export const savingMutants: readonly BackendMutant[] = [
  simple('save upserts: a later version creates what is absent', (sound) => ({
    save: async (record, signal) =>
      (await sound.save(record, signal)) ||
      ((await currentOf(sound, record.id)) === undefined && sound.save({ ...record, version: 1 }, signal)),
  })),
  storing('last write wins', isNew),
  storing(
    'version 1 replaces what is stored',
    (current, record) => record.version === 1 && isNew(current, record),
  ),
  storing('the stored version can be stored again', (current, record) => {
    return record.version === current.version && isNew(current, record);
  }),
  storing('versions may be left out', (current, record) => record.version > current.version + 1),
  storing('an older version is stored', (current, record) => {
    return record.version < current.version && isNew(current, record);
  }),
  simple('save looks first and writes afterwards', (sound) => ({
    save: (record) => looksThenWrites(sound, record),
  })),
  mutant(
    'only one save at a time is let in, the others are refused',
    () => ({ busy: false }),
    (sound, shared) => ({
      async save(record, signal) {
        if (shared.busy) return false;
        shared.busy = true;
        await pause();
        return sound.save(record, signal).finally(() => {
          shared.busy = false;
        });
      },
    }),
  ),
  simple('a repeated save is refused', (sound) => ({
    async save(record, signal) {
      const current = await currentOf(sound, record.id);
      if (current !== undefined && isRepeated(current, record)) return false;
      return sound.save(record, signal);
    },
  })),
  storing('a repeated save is stored again', isRepeated),
  simple('only the last write id is remembered', (sound) => ({
    async save(record, signal) {
      const current = await currentOf(sound, record.id);
      const old = current !== undefined && isRepeated(current, record) && lastOf(current) !== lastOf(record);
      return !old && sound.save(record, signal);
    },
  })),
  mutant(
    'write ids are remembered for ever',
    () => new Set<string>(),
    (sound, seen) => ({
      async save(record, signal) {
        const write = lastOf(record);
        if (seen.has(write)) return true;
        const saved = await sound.save(record, signal);
        if (saved) seen.add(write);
        return saved;
      },
    }),
  ),
  overlaid('a save puts seenAt back to what its author knew', (sound, overlay) => ({
    async save(record, signal) {
      const saved = await sound.save(record, signal);
      if (saved) overlay.set(record.id, { seenAt: record.seenAt });
      return saved;
    },
  })),
  changing('a save keeps the stored seenAt, however late its own', (record, current) => {
    return { ...record, seenAt: current?.seenAt ?? record.seenAt };
  }),
  changing('killAt stays as it was first set', (record, current) => {
    return { ...record, killAt: current?.killAt ?? record.killAt };
  }),
  overlaid('a save moves killAt wherever it says', (sound, overlay) => ({
    async save(record, signal) {
      const saved = await sound.save(record, signal);
      if (saved) overlay.set(record.id, { killAt: record.killAt });
      return saved;
    },
  })),
  changing('members that are undefined leave the stored ones as they are', (record, current) => {
    const given = Object.entries(record).filter(([, value]) => value !== undefined);
    return { ...(current ?? record), ...Object.fromEntries(given) };
  }),
  changing('write ids are kept sorted', (record) => {
    return { ...record, writes: [...record.writes.slice(0, -1)].sort().concat(lastOf(record)) };
  }),
  changing('only the last 8 write ids are kept', (record) => ({
    ...record,
    writes: record.writes.slice(-8),
  })),
];

/** Saves that undo an end. The sound backend can't be made to store them: they are shown in its place. */
const resurrecting = (
  name: string,
  wrongly: (current: SessionRecord, record: SessionRecord) => boolean,
): BackendMutant =>
  overlaid(name, (sound, overlay) => ({
    async save(record, signal) {
      const current = await currentOf(sound, record.id);
      if (current?.ended === undefined || !wrongly(current, record)) return sound.save(record, signal);
      overlay.set(record.id, { ...record, ended: undefined });
      return true;
    },
  }));

export const resurrectingMutants: readonly BackendMutant[] = [
  resurrecting(
    'a save brings an ended session back',
    (current, record) => record.version === current.version + 1,
  ),
  resurrecting('a creation brings an ended session back', (_, record) => record.version === 1),
  resurrecting('a repeated save brings an ended session back', isRepeated),
  simple('a repeated save is refused once the session has ended', (sound) => ({
    save: async (record, signal) =>
      (await currentOf(sound, record.id))?.ended === undefined && sound.save(record, signal),
  })),
  overlaid('a touch brings an ended session back', (sound, overlay) => ({
    async touch(batch, signal) {
      for (const { id } of batch)
        if ((await currentOf(sound, id))?.ended !== undefined) overlay.set(id, { ended: undefined });
      return sound.touch(batch, signal);
    },
  })),
  overlaid('a touch moves the last use of an ended session', (sound, overlay) => ({
    async touch(batch, signal) {
      for (const { id, seenAt } of batch)
        if ((await currentOf(sound, id))?.ended !== undefined) overlay.set(id, { seenAt });
      return sound.touch(batch, signal);
    },
  })),
  overlaid('a save that began before an end is stored after it', (sound, overlay) => ({
    async save(record, signal) {
      const current = await currentOf(sound, record.id);
      await pause();
      const saved = await sound.save(record, signal);
      if (saved || current === undefined || current.version + 1 !== record.version || current.ended)
        return saved;
      overlay.set(record.id, { ...record, ended: undefined });
      return true;
    },
  })),
  mutant(
    'what was swept can be saved again',
    () => new Set<SessionId>(),
    (sound, swept) => ({
      async sweep(deadBefore, limit, signal) {
        const ids = await sound.sweep(deadBefore, limit, signal);
        for (const id of ids) swept.add(id);
        return ids;
      },
      save: (record, signal) =>
        swept.has(record.id) ? sound.save({ ...record, version: 1 }, SIGNAL) : sound.save(record, signal),
    }),
  ),
];
