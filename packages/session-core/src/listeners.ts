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
  /** Sessions for which it has not open what they ask for. */
  readonly failing: Iterable<SessionId>;
  /** Why that is so. */
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
export class Listeners implements Omit<StoreListener, 'pending' | 'failing'> {
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

  *#idsBeside(links: Links): Generator<SessionId, void, void> {
    yield* links.ids;
    for (const { failing } of this.#all) yield* failing;
  }

  /** What is held by links, with what listeners say of it. */
  beside(links: Links): OtherHolds {
    return {
      ids: {
        [Symbol.iterator]: () => this.#idsBeside(links),
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
