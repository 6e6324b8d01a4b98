import { createHash } from 'node:crypto';
import { clientKey, type Environment, type Millis } from '@sessionkit/session-core';

const WINDOW: Millis = 300_000;
const FAILURES = 10;
const KEYS_MAX = 10_000;

/**
 * Failed logins per address and user: at most 10 in any 5 minutes. Bounded by dropping the address and user that failed longest ago; since each failure costs a
 * password hash, nobody can push out an entry much faster than it would lapse.
 */
export class AttemptLimit {
  readonly #environment: Pick<Environment, 'now'>;
  readonly #failures = new Map<string, Millis[]>();

  constructor(environment: Pick<Environment, 'now'>) {
    this.#environment = environment;
  }

  /** An IPv6 client has a whole /64 to choose from, so that counts as one address. */
  key(address: string, user: string): string {
    return createHash('sha256')
      .update(`${clientKey(address)} ${user}`)
      .digest('base64url');
  }

  /** How long `key` has to wait; 0 when it may try now. */
  wait(key: string): Millis {
    const failures = this.#recent(key);
    const [oldest] = failures;
    return failures.length < FAILURES || oldest === undefined ? 0 : oldest + WINDOW - this.#environment.now();
  }

  add(key: string): void {
    const failures = this.#recent(key);
    this.#failures.delete(key);
    const [first] = this.#failures.keys();
    if (first !== undefined && this.#failures.size >= KEYS_MAX) this.#failures.delete(first);
    this.#failures.set(key, [...failures, this.#environment.now()]);
  }

  /** Takes the newest of `key` back: it was no failure. */
  takeBack(key: string): void {
    const failures = this.#recent(key).slice(0, -1);
    if (failures.length === 0) this.#failures.delete(key);
    else this.#failures.set(key, failures);
  }

  #recent(key: string): Millis[] {
    const since = this.#environment.now() - WINDOW;
    return (this.#failures.get(key) ?? []).filter((at) => at > since);
  }
}
