import { memory } from '@sessionkit/backend-memory';
import {
  type Backend,
  type ManagerOptions,
  parseToken,
  type ServiceOptions,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { TestClock } from '@sessionkit/testkit';
import { type Browser, type World, world, wrap } from './harness.js';

export interface Rig extends World {
  /** The store itself, without what is broken of it. */
  readonly real: ReturnType<typeof memory>;
  /** Members that stand in for those of the store, from now until they are deleted. */
  readonly broken: Record<string, unknown>;
}

/** A {@link world} whose store can be broken while a test runs. */
export function rig(options: ServiceOptions = {}, more: ManagerOptions = {}): Rig {
  const clock = new TestClock();
  const real = memory({ now: () => clock.now() });
  const broken: Record<string, unknown> = {};
  return { ...world({ ...options, backend: wrap(real, broken) }, { ...more, clock }), real, broken };
}

export const operator = { name: 'olga' };

export const down = () => Promise.reject(new SessionError('BACKEND_DOWN', 'refused', { retryable: true }));

/** Lets everything that is ready run, `n` turns of the event loop long. */
export async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise that waits until it is let go. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

/** The session whose token a browser holds. */
export function idOf(browser: Browser): SessionId {
  const credential = parseToken(browser.token ?? '');
  if (credential === undefined) throw new Error('the browser holds no token');
  return credential.id;
}

/** What the store holds of a session; undefined when nothing. */
export async function stored(backend: Backend, id: SessionId): Promise<SessionRecord | undefined> {
  const [record] = await backend.load([id], new AbortController().signal);
  if (record instanceof SessionError) throw record;
  return record;
}

/** As {@link stored}, of a session that is there. */
export async function recordOf(backend: Backend, id: SessionId): Promise<SessionRecord> {
  const record = await stored(backend, id);
  if (record === undefined) throw new Error('the store holds no such session');
  return record;
}
