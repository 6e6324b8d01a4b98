import type { Head, Millis, SessionId } from '@sessionkit/session-core';
import { type BackendMutant, mutant, shownAs, simple } from './backend-mutant-kit.js';

const sweeping = (
  name: string,
  change: (deadBefore: Millis, limit: number) => readonly [Millis, number],
): BackendMutant =>
  simple(name, (sound) => ({
    sweep: (deadBefore, limit, signal) => sound.sweep(...change(deadBefore, limit), signal),
  }));

const keeping = (name: string, change: (keepUntil: Millis) => Millis): BackendMutant =>
  simple(name, (sound) => ({
    end: (ids, how, signal) => sound.end(ids, { ...how, keepUntil: change(how.keepUntil) }, signal),
  }));

/** Takes more away with each sweep than the sound one does: what `isDead` says of the rows. */
const alsoTaking = (name: string, isDead: (head: Head, deadBefore: Millis) => boolean): BackendMutant =>
  mutant(
    name,
    () => new Set<SessionId>(),
    (sound, gone) => ({
      load: shownAs(sound, (record) => (gone.has(record.id) ? undefined : record)),
      async sweep(deadBefore, limit, signal) {
        const swept = await sound.sweep(deadBefore, limit, signal);
        const { items } = await sound.list({ limit: 1_000 }, signal);
        const more = items.filter((head) => isDead(head, deadBefore)).map(({ id }) => id);
        for (const id of more) gone.add(id);
        return [...swept, ...more];
      },
    }),
  );

export const sweepingMutants: readonly BackendMutant[] = [
  sweeping('a sweep finds nothing', (_, limit) => [0, limit]),
  sweeping('a sweep is late by an hour', (time, limit) => [time - 3_600_000, limit]),
  sweeping('a sweep takes what dies at this instant', (time, limit) => [time + 1, limit]),
  sweeping('a sweep has no limit', (time) => [time, 1_000]),
  sweeping('a sweep stops one short of its limit', (time, limit) => [
    time,
    limit === 1_000 ? limit : limit - 1,
  ]),
  alsoTaking('a sweep takes what is idle since its start, used or not', (head, time) => {
    return head.startedAt + head.idle < time;
  }),
  alsoTaking('a sweep takes ended sessions at once', (head) => head.ended !== undefined),
  alsoTaking('a sweep takes whatever has a kill to come', (head) => head.killAt !== undefined),
  keeping('ended sessions are kept for ever', () => Number.MAX_SAFE_INTEGER),
  keeping('ended sessions are kept for an hour at least', (keepUntil) => keepUntil + 3_600_000),
  simple('a sweep does not know of kills', (sound) => ({
    save: (record, signal) => sound.save({ ...record, killAt: undefined }, signal),
  })),
  simple('a sweep forgets to say what it took', (sound) => ({
    sweep: async (...query) => (await sound.sweep(...query)).slice(0, 0),
  })),
  mutant(
    'sweeps at once take the same',
    () => new Set<Promise<readonly SessionId[]>>(),
    (sound, others) => ({
      async sweep(...query) {
        const before = [...others];
        const own = sound.sweep(...query);
        others.add(own);
        try {
          return [...(await own), ...(await Promise.all(before)).flat()];
        } finally {
          others.delete(own);
        }
      },
    }),
  ),
  mutant(
    'what was swept stays in the list',
    () => new Map<SessionId, Head>(),
    (sound, ghosts) => ({
      async sweep(deadBefore, limit, signal) {
        const { items } = await sound.list({ limit: 1_000 }, signal);
        const swept = await sound.sweep(deadBefore, limit, signal);
        for (const head of items) if (swept.includes(head.id)) ghosts.set(head.id, head);
        return swept;
      },
      async list(query, signal) {
        const page = await sound.list(query, signal);
        return { ...page, items: [...ghosts.values(), ...page.items] };
      },
    }),
  ),
];
