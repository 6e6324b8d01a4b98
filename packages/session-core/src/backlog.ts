import type { Touch } from './backend.js';
import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import type { EndCause } from './lists.js';
import { SingleFile } from './single-file.js';
import type { Store } from './store.js';

/** An end that must come about, whatever the store says now. */
export interface Owed {
  readonly cause: EndCause;
  readonly by: string | undefined;
  readonly keepEnded: Millis;
  /** Asked for until then, or until the store has ended it: it may not have been stored yet. Left out: until the store has answered. */
  readonly until?: Millis | undefined;
}

const CHUNK = 500;

/** What is written to the store off the request path: when sessions were last used, and ends that are still owed. */
export class Backlog {
  readonly #store: Store;
  readonly #touches = new Map<SessionId, Touch>();
  readonly #endings = new Map<SessionId, Owed>();
  readonly #flushes = new SingleFile(() => this.#flush());

  constructor(store: Store) {
    this.#store = store;
  }

  touch(id: SessionId, epoch: number, seenAt: Millis): void {
    const waiting = this.#touches.get(id);
    if (waiting !== undefined && waiting.epoch >= epoch && waiting.seenAt >= seenAt) return;
    this.#touches.set(id, { id, epoch, seenAt });
  }

  /** Last use that is not written yet. */
  seenAt(id: SessionId): Millis | undefined {
    return this.#touches.get(id)?.seenAt;
  }

  /** The session is over: its use is of no interest any more. */
  forget(id: SessionId): void {
    this.#touches.delete(id);
  }

  endSurely(ids: readonly SessionId[], owed: Owed): void {
    for (const id of ids) this.#endings.set(id, owed);
  }

  flush(): Promise<void> {
    return this.#flushes.run();
  }

  /** Sends touches in chunks. Those `collected` wait on when the store does not take them. */
  async write(batch: readonly Touch[], collected: boolean): Promise<void> {
    const store = this.#store;
    for (let i = 0; i < batch.length; i += CHUNK) {
      // A store may answer within the turn of the event loop: requests must have theirs in between.
      if (i > 0) await new Promise((resolve) => setImmediate(resolve));
      const chunk = batch.slice(i, i + CHUNK).sort((a, b) => (a.id < b.id ? -1 : 1));
      try {
        const dead = await store.call('touch', (signal) => store.backend.touch(chunk, signal));
        if (collected) {
          for (const touch of chunk)
            if (this.#touches.get(touch.id) === touch) this.#touches.delete(touch.id);
        }
        for (const id of dead) if (store.links.has(id)) void store.confirm(id);
      } catch (error) {
        if (isGone(error)) return;
        store.complain('writing when sessions were last used failed; it is tried again', error);
      }
    }
  }

  async #flush(): Promise<void> {
    if (this.#endings.size > 0) await this.#payEndings();
    if (this.#touches.size > 0) await this.write([...this.#touches.values()], true);
  }

  async #payEndings(): Promise<void> {
    const groups = new Map<string, { owed: Owed; ids: SessionId[] }>();
    for (const [id, owed] of this.#endings) {
      const key = JSON.stringify([owed.cause, owed.by, owed.keepEnded]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { owed, ids: [id] });
      else group.ids.push(id);
    }
    for (const { owed, ids } of groups.values()) {
      for (let i = 0; i < ids.length; i += CHUNK) {
        const chunk = ids.slice(i, i + CHUNK);
        try {
          const ended = new Set(await this.#store.end(chunk, owed.cause, owed.by, owed.keepEnded));
          const now = this.#store.now();
          for (const id of chunk)
            if (ended.has(id) || now >= (this.#endings.get(id)?.until ?? 0)) this.#endings.delete(id);
        } catch (error) {
          if (isGone(error)) return;
          this.#store.complain('ending sessions failed; it is tried again', error);
        }
      }
    }
  }
}

/** A store that is not there needs no further asking, and the store has reported it. */
function isGone(error: unknown): boolean {
  return error instanceof SessionError && (error.code === 'BACKEND_DOWN' || error.code === 'BACKEND_CLOSED');
}
