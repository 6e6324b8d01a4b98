import type { ClientEvents } from './client.js';

/** How long a connection that is being made is waited for, in ms. */
const ATTEMPT = 1_000;
const EVENTS = ['ready', 'error', 'end'] as const;

/** One for each client, however many backends are on it; it stays, as an outage may come between the close of the backend and that of the client. */
const known = new WeakMap<ClientEvents, Outage>();

export function outageOf(client: ClientEvents): Outage {
  const outage = known.get(client) ?? new Outage(client);
  known.set(client, outage);
  return outage;
}

/**
 * Follows whether a client reaches its server. An `error` of a client to which nobody listens ends the process (node-redis) or is printed with each attempt (ioredis); here
 * the calls tell what is wrong, and the log has it once.
 */
export class Outage {
  readonly #client: ClientEvents;
  #reason: Error | undefined;

  constructor(client: ClientEvents) {
    this.#client = client;
    client.on('error', (error) => {
      this.#reason = error;
    });
    client.on('ready', () => {
      this.#reason = undefined;
    });
  }

  /** Why the last attempt has failed, if none has succeeded since. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Until the client is ready, an attempt has failed, a second has passed, or `signal` aborts. */
  attempted(signal: AbortSignal): Promise<void> {
    const client = this.#client;
    return new Promise((resolve) => {
      const settled = () => {
        for (const event of EVENTS) client.off(event, settled);
        signal.removeEventListener('abort', settled);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(settled, ATTEMPT);
      for (const event of EVENTS) client.on(event, settled);
      signal.addEventListener('abort', settled);
    });
  }
}
