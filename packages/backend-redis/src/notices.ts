import type { Change, EndCause, SessionId } from '@sessionkit/session-core';
import type { Subscription } from './client.js';
import { bare } from './faults.js';
import type { RedisStore } from './store.js';

type Listener = (change: Change) => void;

/** So soon after an outage another one is the same, in ms: a Cluster that comes back is heard, and lost again with the servers that leave it. */
const CALM = 5_000;

/** Changes as the scripts publish them, heard on one connection for all listeners of an instance, which is there while there are any. */
export class Notices {
  readonly #store: RedisStore;
  readonly #listeners = new Set<Listener>();
  #subscription: Promise<Subscription> | undefined;
  #deaf = false;
  #deafAt = -CALM;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  async watch(onChange: Listener): Promise<() => Promise<void>> {
    this.#store.check();
    const listener: Listener = (change) => onChange(change);
    this.#listeners.add(listener);
    this.#subscription ??= this.#store.connection.subscribe(this.#store.keys.channel, {
      onMessage: (message) => this.#hear(message),
      onHeard: () => {
        this.#deaf = false;
      },
      onFault: (error) => this.#complain(error),
    });
    await this.#subscription;
    return async () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    this.#listeners.clear();
    const subscription = this.#subscription;
    this.#subscription = undefined;
    void subscription?.then((each) => each.close());
  }

  #hear(message: string): void {
    this.#deaf = false;
    const change = changeOf(message);
    if (change === undefined) return;
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        const what = 'a listener for changes of the redis backend failed';
        this.#store.options.log({ level: 'error', message: what, session: change.id, error });
      }
    }
  }

  /** Once for each outage: the client tries again and again. */
  #complain(error: unknown): void {
    if (this.#deaf || this.#listeners.size === 0) return;
    this.#deaf = true;
    const now = performance.now();
    if (now - this.#deafAt < CALM) return;
    this.#deafAt = now;
    this.#store.options.log({
      level: 'warning',
      message: 'redis: no notices of changes at present',
      error: bare(error),
    });
  }
}

/** A notice is `[id, version, what, cause]`. Anything else on the channel is not ours. */
function changeOf(message: string): Change | undefined {
  try {
    const [id, version, what, cause] = JSON.parse(message) as [SessionId, string, Change['what'], EndCause?];
    return what === 'saved' || what === 'ended' ? { id, version: Number(version), what, cause } : undefined;
  } catch {
    return undefined;
  }
}
