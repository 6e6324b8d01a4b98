import type { ClientEvents } from './client.js';

/** One of these ends an attempt to connect. */
const EVENTS = ['ready', 'error', 'close', 'end'] as const;

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

  /** Until the client is ready, an attempt has failed, or `signal` aborts. */
  attempted(signal: AbortSignal): Promise<void> {
    const client = this.#client;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const settled = () => {
        for (const event of EVENTS) client.off(event, settled);
        signal.removeEventListener('abort', settled);
        resolve();
      };
      for (const event of EVENTS) client.on(event, settled);
      signal.addEventListener('abort', settled);
    });
  }
}
