import type { Change } from './backend.js';
import type { OtherHolds } from './holdings.js';
import type { SessionId } from './id.js';
import type { Links } from './links.js';
import type { SessionRecord } from './record.js';

/** Whoever has something open for sessions of a store, besides the links. */
export interface StoreListener {
  holds(id: SessionId): boolean;
  /** An operator or another process may have changed it. */
  changed(record: SessionRecord): void;
  ended(id: SessionId): void;
  /** Why what it has open is not what the session asks for. */
  pending(id: SessionId): string | undefined;
}

/** Those who want to be told of every change that stores give notice of. */
export class Watchers {
  readonly #all = new Set<{ readonly tell: (change: Change) => void }>();

  /** Answers how to take it away. */
  add(tell: (change: Change) => void): () => void {
    const watcher = { tell };
    this.#all.add(watcher);
    return () => void this.#all.delete(watcher);
  }

  tell(change: Change): void {
    for (const { tell } of this.#all) tell(change);
  }
}

/** The listeners of one store. */
export class Listeners implements Omit<StoreListener, 'pending'> {
  readonly watchers = new Watchers();
  readonly #all = new Set<StoreListener>();

  /** Answers how to take it away. */
  add(listener: StoreListener): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  holds(id: SessionId): boolean {
    for (const listener of this.#all) if (listener.holds(id)) return true;
    return false;
  }

  changed(record: SessionRecord): void {
    for (const listener of this.#all) listener.changed(record);
  }

  ended(id: SessionId): void {
    for (const listener of this.#all) listener.ended(id);
  }

  /** What is held by links, with what listeners say of it. */
  beside(links: Links): OtherHolds {
    return {
      get ids() {
        return links.ids;
      },
      has: (id) => links.has(id),
      pending: (id) => {
        for (const listener of this.#all) {
          const reason = listener.pending(id);
          if (reason !== undefined) return reason;
        }
        return undefined;
      },
    };
  }
}
