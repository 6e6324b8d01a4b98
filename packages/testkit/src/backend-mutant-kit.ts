import type { Abilities, Backend, Fences, SessionId, SessionRecord } from '@sessionkit/session-core';
import type { OpenBackend } from './backend-kit.js';

/** A backend that is broken on purpose in one way. Made from one that has every ability but fences. */
export interface BackendMutant {
  readonly name: string;
  breaks(sound: OpenBackend): OpenBackend;
}

/** A backend with every ability but fences. */
export type Full = Backend & Omit<Intersection<Abilities[keyof Abilities]>, keyof Fences>;
type Intersection<U> = (U extends unknown ? (member: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

/** Members to put in place of a backend's own; undefined takes one away. */
export type Alteration = { [K in keyof Full]?: Full[K] | undefined };

export const SIGNAL: AbortSignal = new AbortController().signal;

/** `sound` with other members, for backends that wrap another one; a member given as undefined is taken away. */
export function altered(sound: Backend, members: Alteration): Backend {
  return new Proxy(sound, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Alters both instances in the same way; `how` is called once for each, with what the two share. */
export function mutant<Shared>(
  name: string,
  shared: () => Shared,
  how: (sound: Full, shared: Shared, opened: OpenBackend) => Alteration,
): BackendMutant {
  return {
    name,
    breaks(opened) {
      const common = shared();
      const alter = (sound: Backend) => altered(sound, how(sound as Full, common, opened));
      return { ...opened, a: alter(opened.a), b: alter(opened.b) };
    },
  };
}

/** A mutant whose instances share nothing but the store. */
export function simple(name: string, how: (sound: Full, opened: OpenBackend) => Alteration): BackendMutant {
  return mutant(
    name,
    () => undefined,
    (sound, _, opened) => how(sound, opened),
  );
}

/** Members shown in place of those that are stored. */
export type Overlay = Map<SessionId, Partial<SessionRecord>>;

/** A mutant that shows records otherwise than the sound backend stores them. */
export function overlaid(
  name: string,
  how: (sound: Full, overlay: Overlay, opened: OpenBackend) => Alteration,
): BackendMutant {
  return mutant(
    name,
    (): Overlay => new Map(),
    (sound, overlay, opened) => ({
      load: shownAs(sound, (record) => ({ ...record, ...overlay.get(record.id) })),
      ...how(sound, overlay, opened),
    }),
  );
}

/** `load` of `sound` with each record changed; undefined hides it. */
export function shownAs(
  sound: Backend,
  show: (record: SessionRecord) => SessionRecord | undefined,
): Backend['load'] {
  return async (ids, signal) =>
    (await sound.load(ids, signal)).map((found) =>
      found === undefined || found instanceof Error ? found : show(found),
    );
}

export async function currentOf(sound: Backend, id: SessionId): Promise<SessionRecord | undefined> {
  const [found] = await sound.load([id], SIGNAL);
  return found instanceof Error ? undefined : found;
}

/** Stores `record` over whatever there is, as a backend without conditions does; false when it has ended. */
export async function force(sound: Backend, record: SessionRecord, writeId: string): Promise<boolean> {
  const current = await currentOf(sound, record.id);
  const version = (current?.version ?? 0) + 1;
  return sound.save({ ...record, version, writes: [...record.writes, writeId] }, SIGNAL);
}

let forced = 0;
export const newWriteId = () => `forced-${++forced}`;

/** Something else gets a turn: where a careless backend looks and then writes. */
export const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
