import { createHash } from 'node:crypto';
import { can, type Link } from './backend.js';
import type { Millis } from './environment.js';
import { events } from './events.js';
import { createId, type SessionId } from './id.js';
import type { Actor } from './service.js';
import type { Store } from './store.js';

/**
 * When all sessions of a group of services were restarted: one mark for each, whatever the number of its sessions. It is kept in the store as a lease as long as
 * the longest life of a session that it concerns, where every process finds it; where the store keeps no leases, it holds in this process.
 */
export class Restarts {
  readonly #at = new Map<string, Millis>();

  get(group: string): Millis | undefined {
    return this.#at.get(group);
  }

  /** @throws SessionError `BACKEND_*` */
  async mark(store: Store, group: string, longest: Millis, by: Actor): Promise<void> {
    const at = store.now();
    const { backend } = store;
    if (can(backend, 'presence')) {
      const process = `restart ${group}`;
      const link: Link = { id: idOf(group), process, since: at, detail: { at } };
      await store.call('announce', (signal) => backend.announce(process, [link], longest, signal));
    }
    this.#note(group, at);
    if (events.restarted.hasSubscribers) events.restarted.publish({ service: group, by: by.name });
  }

  /** Looks for marks that other processes have set. Never rejects; what could not be found now is found the next time. */
  async refresh(store: Store, groups: readonly string[]): Promise<void> {
    const { backend } = store;
    if (!can(backend, 'presence')) return;
    const byId = new Map(groups.map((group) => [idOf(group), group]));
    try {
      const links = await store.call('present', (signal) => backend.present([...byId.keys()], signal));
      for (const { id, detail } of links) {
        const group = byId.get(id);
        if (group !== undefined && typeof detail.at === 'number') this.#note(group, detail.at);
      }
    } catch (error) {
      store.complain('whether sessions were restarted is not known; it is asked again', error);
    }
  }

  #note(group: string, at: Millis): void {
    this.#at.set(group, Math.max(at, this.#at.get(group) ?? 0));
  }
}

/** An id that no session has: of the year 1970, and made of the group's name. */
function idOf(group: string): SessionId {
  const bytes = createHash('sha256').update(`restart ${group}`).digest();
  return createId({ random: (count) => bytes.subarray(0, count) }, 0);
}
