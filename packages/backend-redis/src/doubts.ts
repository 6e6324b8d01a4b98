import { type Millis, SessionError, type SessionId, type SessionRecord } from '@sessionkit/session-core';
import { unpack } from './codec.js';
import { dropEntries } from './entries.js';
import type { RedisStore } from './store.js';

/** So long after its first save a session is there or never will be: what comes later than `writeWithin` is refused. */
const DECIDED_AFTER: Millis = 60_000;
const KEPT = 10_000;
const CHUNK = 500;
const SERVICES_KEPT = 1_000;

interface Doubt {
  readonly service: string;
  readonly user: string | undefined;
  /** By the steady clock. */
  readonly since: Millis;
}

/**
 * First saves of this process whose outcome is not known. Their index entries went ahead of them and may stand for sessions that never came to be, which lists pass over and counts
 * include. Also the services of which this process has stored sessions: of what another one has left behind nobody can say more than the id.
 */
export class Doubts {
  readonly services = new Set<string>();
  readonly #noted = new Map<SessionId, Doubt>();

  note({ id, service, user }: SessionRecord): void {
    const [oldest] = this.#noted.keys();
    if (oldest !== undefined && this.#noted.size >= KEPT) this.#noted.delete(oldest);
    this.#noted.set(id, { service, user, since: performance.now() });
  }

  met(service: string): void {
    if (this.services.size < SERVICES_KEPT) this.services.add(service);
  }

  /** Takes the entries of those out that are not there and cannot come any more. */
  async settle(store: RedisStore, signal: AbortSignal): Promise<void> {
    const before = performance.now() - DECIDED_AFTER;
    const decided = [...this.#noted].filter(([, { since }]) => since < before).slice(0, CHUNK);
    if (decided.length === 0) return;
    const found = await store.members(
      decided.map(([id]) => id),
      'head',
      signal,
    );
    const commands = decided.flatMap(([id, { service, user }], at) => {
      const read = found[at];
      if (read === undefined || read instanceof SessionError || unpack(id, read) !== undefined) return [];
      return [
        ...dropEntries(id, store.keys.indexes(service, user, false)),
        ['ZREM', store.keys.due, id] as const,
      ];
    });
    await store.sendAll('sweep', commands, signal);
    for (const [id] of decided) this.#noted.delete(id);
  }
}
