import type { Change, SessionId } from '@sessionkit/session-core';
import { type BackendMutant, currentOf, mutant, simple } from './backend-mutant-kit.js';

/** Hears something else than the sound backend announces. */
const hearing = (name: string, pass: (change: Change) => Change | undefined): BackendMutant =>
  simple(name, (sound) => ({
    watch: (onChange) =>
      sound.watch((change) => {
        const passed = pass(change);
        if (passed !== undefined) onChange(passed);
      }),
  }));

type Listener = (change: Change) => void;

/** Has listeners of its own besides, to announce more than there is. */
const announcing = (
  name: string,
  more: (announce: (id: SessionId, version: number) => void) => Parameters<typeof mutant<Set<Listener>>>[2],
): BackendMutant =>
  mutant(
    name,
    () => new Set<Listener>(),
    (sound, listeners, opened) => ({
      async watch(onChange) {
        const stop = await sound.watch(onChange);
        listeners.add(onChange);
        return async () => {
          listeners.delete(onChange);
          await stop();
        };
      },
      ...more((id, version) => {
        for (const listener of listeners) listener({ id, version, what: 'saved', cause: undefined });
      })(sound, listeners, opened),
    }),
  );

export const watchingMutants: readonly BackendMutant[] = [
  hearing('saves are not announced', (change) => (change.what === 'saved' ? undefined : change)),
  hearing('ends are not announced', (change) => (change.what === 'ended' ? undefined : change)),
  hearing('an end is announced without its cause', (change) => ({ ...change, cause: undefined })),
  hearing('the version of a notice is always 1', (change) => ({ ...change, version: 1 })),
  {
    name: 'only one instance hears',
    breaks: (opened) => {
      const deaf = simple('', () => ({ watch: async () => async () => {} }));
      return { ...opened, b: deaf.breaks(opened).b };
    },
  },
  announcing('every save is announced', (announce) => (sound) => ({
    async save(record, signal) {
      const saved = await sound.save(record, signal);
      if (saved) announce(record.id, record.version);
      return saved;
    },
  })),
  announcing('touches are announced', (announce) => (sound) => ({
    async touch(batch, signal) {
      for (const { id } of batch) announce(id, (await currentOf(sound, id))?.version ?? 1);
      return sound.touch(batch, signal);
    },
  })),
  announcing('saves that were refused are announced', (announce) => (sound) => ({
    async save(record, signal) {
      const saved = await sound.save(record, signal);
      if (!saved) announce(record.id, record.version);
      return saved;
    },
  })),
  simple('nobody can stop watching', (sound) => ({
    async watch(onChange) {
      await sound.watch(onChange);
      return async () => {};
    },
  })),
  mutant(
    'who stops watching stops all',
    () => [] as (() => Promise<void>)[],
    (sound, stops) => ({
      async watch(onChange) {
        stops.push(await sound.watch(onChange));
        return async () => {
          for (const stop of stops) await stop();
        };
      },
    }),
  ),
  mutant(
    'a listener that throws keeps the notice from the later ones',
    () => ({ listeners: [] as Listener[] }),
    (sound, shared) => ({
      async watch(onChange) {
        shared.listeners.push(onChange);
        if (shared.listeners.length > 1) return async () => {};
        return sound.watch((change) => {
          for (const listener of shared.listeners) listener(change);
        });
      },
    }),
  ),
];
