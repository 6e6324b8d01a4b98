import type { Link, Millis, SessionId } from '@sessionkit/session-core';
import { BigMap } from './big-map.js';
import { Steps } from './steps.js';

interface Lease {
  readonly links: BigMap<Link[]>;
  readonly until: Millis;
}

/** Which process holds which session open, until the lease of the process runs out. */
export class Presences {
  readonly #now: () => Millis;
  readonly #leases = new Map<string, Lease>();
  readonly #announced = new Map<string, number>();
  #announcements = 0;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  async announce(process: string, links: readonly Link[], ttl: Millis): Promise<void> {
    const turn = ++this.#announcements;
    this.#announced.set(process, turn);
    const byId = new BigMap<Link[]>();
    const steps = new Steps();
    for (const link of links) {
      const others = byId.get(link.id);
      if (others === undefined) byId.set(link.id, [link]);
      else others.push(link);
      if (steps.over()) await steps.rest();
    }
    // A later announcement of the same process may have been shorter and be in place already.
    if (this.#announced.get(process) !== turn) return;
    this.#announced.delete(process);
    if (links.length === 0) this.#leases.delete(process);
    else this.#leases.set(process, { links: byId, until: this.#now() + ttl });
    this.#forget();
  }

  present(ids: readonly SessionId[]): Link[] {
    this.#forget();
    const found: Link[] = [];
    for (const id of new Set(ids)) {
      for (const { links } of this.#leases.values()) found.push(...(links.get(id) ?? []));
    }
    return found;
  }

  #forget(): void {
    const now = this.#now();
    for (const [process, { until }] of this.#leases) if (now >= until) this.#leases.delete(process);
  }
}
