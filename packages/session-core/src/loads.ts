import { SessionError, toSessionError } from './errors.js';
import type { SessionId } from './id.js';
import type { SessionRecord } from './record.js';
import type { Store } from './store.js';

type Loaded = SessionRecord | undefined | Error;

interface Deferred {
  readonly promise: Promise<SessionRecord | undefined>;
  readonly resolve: (record: SessionRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects the loads of one turn of the event loop into one call. A load is shared only until it is sent: one that was sent before a logout was
 * acknowledged must not answer a request that came after it.
 */
export class Loads {
  readonly #store: Pick<Store, 'backend' | 'call'>;
  #turn = new Map<SessionId, Deferred>();

  constructor(store: Pick<Store, 'backend' | 'call'>) {
    this.#store = store;
  }

  load(id: SessionId): Promise<SessionRecord | undefined> {
    const waiting = this.#turn.get(id);
    if (waiting !== undefined) return waiting.promise;
    if (this.#turn.size === 0) setImmediate(() => this.#send());
    let resolve: Deferred['resolve'] = () => {};
    let reject: Deferred['reject'] = () => {};
    const promise = new Promise<SessionRecord | undefined>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#turn.set(id, { promise, resolve, reject });
    return promise;
  }

  #send(): void {
    const turn = this.#turn;
    this.#turn = new Map();
    this.#ask([...turn.keys()]).then(
      (records) => {
        let i = 0;
        for (const deferred of turn.values()) {
          const record = records[i++];
          if (record instanceof Error) deferred.reject(toSessionError(record, 'load failed'));
          else deferred.resolve(record);
        }
      },
      (error: unknown) => {
        for (const deferred of turn.values()) deferred.reject(error);
      },
    );
  }

  /** An answer that does not fit the question must not look like "no such session". */
  #ask(ids: readonly SessionId[]): Promise<readonly Loaded[]> {
    const { backend } = this.#store;
    return this.#store.call('load', async (signal) => {
      const records: unknown = await backend.load(ids, signal);
      if (Array.isArray(records) && records.length === ids.length) return records as Loaded[];
      throw new SessionError('BACKEND_FAILED', 'load did not answer each id', { retryable: true });
    });
  }
}
