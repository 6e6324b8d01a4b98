import { SessionError, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import { type Alteration, altered, type Full } from './backend-mutant-kit.js';
import type { OpenHostile } from './hostile-kit.js';
import type { HostileMutant } from './hostile-mutants.js';

/** Treats those that were damaged carelessly; `damaged` tells which, `living` is for what both instances show in their place. */
function careless(
  name: string,
  how: (sound: Full, damaged: ReadonlySet<SessionId>, living: Map<SessionId, SessionRecord>) => Alteration,
): HostileMutant {
  return {
    name,
    breaks(opened) {
      const damaged = new Set<SessionId>();
      const living = new Map<SessionId, SessionRecord>();
      const damages = opened.damages?.map((damage) => ({
        ...damage,
        async apply(id: SessionId) {
          await damage.apply(id);
          damaged.add(id);
        },
      }));
      const alter = (sound: OpenHostile['a']) => altered(sound, how(sound as Full, damaged, living));
      return { ...opened, damages, a: alter(opened.a), b: alter(opened.b) };
    },
  };
}

const corrupt = (id: SessionId, why = 'it is damaged') =>
  new SessionError('RECORD_CORRUPT', `the session ${id} cannot be understood: ${why}`);

/** Fails for one that is damaged. */
function sound(ids: readonly SessionId[], damaged: ReadonlySet<SessionId>): void {
  for (const id of ids) if (damaged.has(id)) throw corrupt(id);
}

export const damageMutants: readonly HostileMutant[] = [
  careless('a damaged session counts as absent', (backend) => ({
    load: async (ids, signal) =>
      (await backend.load(ids, signal)).map((found) => (found instanceof SessionError ? undefined : found)),
  })),
  careless('a damaged session fails the load of its batch', (backend, damaged) => ({
    async load(ids, signal) {
      sound(ids, damaged);
      return backend.load(ids, signal);
    },
  })),
  careless('a fault tells what is stored', (backend) => ({
    async load(ids, signal) {
      const found = await backend.load(ids, signal);
      return found.map((each, at) =>
        each instanceof SessionError ? corrupt(ids[at] as SessionId, '{"card":"4111 1111 1111 1111"}') : each,
      );
    },
  })),
  careless('a save over a damaged session is acknowledged and not done', (backend, damaged) => ({
    save: async (record, signal) => damaged.has(record.id) || backend.save(record, signal),
  })),
  careless('a damaged session fails the touches of its batch', (backend, damaged) => ({
    async touch(batch, signal) {
      sound(
        batch.map(({ id }) => id),
        damaged,
      );
      return backend.touch(batch, signal);
    },
  })),
  careless('a damaged session fails the ends of its batch', (backend, damaged) => ({
    async end(ids, how, signal) {
      sound(ids, damaged);
      return backend.end(ids, how, signal);
    },
  })),
  careless('a damaged session lives on after its end', (backend, damaged, living) => ({
    load: async (ids, signal) =>
      (await backend.load(ids, signal)).map((found, at) => living.get(ids[at] as SessionId) ?? found),
    async end(ids, how, signal) {
      const others = ids.filter((id) => !damaged.has(id));
      const [like] = await backend.load(others.slice(0, 1), signal);
      if (like !== undefined && !(like instanceof SessionError))
        for (const id of ids) if (damaged.has(id)) living.set(id, { ...like, id });
      return backend.end(others, how, signal);
    },
  })),
  careless('a damaged session fails the list that it stands in', (backend, damaged) => ({
    async list(query, signal) {
      if (damaged.size > 0) throw corrupt([...damaged][0] as SessionId);
      return backend.list(query, signal);
    },
  })),
  careless('a list ends at a damaged session', (backend, damaged) => ({
    async list(query, signal) {
      const { items, next } = await backend.list(query, signal);
      const [first] = [...damaged].filter((id) => id > (query.after ?? '')).sort();
      if (first === undefined) return { items, next };
      return { items: items.filter(({ id }) => id < first), next: undefined };
    },
  })),
  careless('a damaged session fails the sweep', (backend, damaged) => ({
    async sweep(before, limit, signal) {
      sound([...damaged], damaged);
      return backend.sweep(before, limit, signal);
    },
  })),
  careless('a damaged session fails the claims of its user', (backend, damaged) => ({
    async claim(claim, signal) {
      sound([...damaged], damaged);
      return backend.claim(claim, signal);
    },
  })),
  careless('a damaged session fails the batch of a journal', (backend, damaged) => ({
    async append(batch, signal) {
      sound(
        batch.entries.map(({ id }) => id),
        damaged,
      );
      return backend.append(batch, signal);
    },
  })),
];
