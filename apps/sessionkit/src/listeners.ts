import type { ListenerConfig } from '@sessionkit/compose';
import { SessionError } from '@sessionkit/session-core';
import { Listener, type Serving } from './listener.js';
import type { Logs } from './log.js';

/** Other listeners, open and ready to take the place of those that are there. One of the two verbs is to be called, once. */
export interface PreparedListeners {
  /** Switches at once. Those whose place is gone take no more connections; requests and WebSockets that they have go on. */
  apply(serving: (config: ListenerConfig) => Serving): void;
  discard(): Promise<void>;
}

/** All listeners of the gateway. */
export class Listeners {
  readonly #logs: Logs;
  #present: readonly Listener[] = [];
  /** Of configurations before, until their last connection is closed. */
  readonly #leaving = new Set<Listener>();

  constructor(logs: Logs) {
    this.#logs = logs;
  }

  get present(): readonly Listener[] {
    return this.#present;
  }

  /**
   * Opens the places that are not open yet. A place that is stays open all the time, also under another name and for another service.
   * @throws SessionError `CONFIG_INVALID`: it cannot be listened there; the message says why. Nothing has changed then.
   */
  async prepare(configs: readonly ListenerConfig[]): Promise<PreparedListeners> {
    const next: { readonly config: ListenerConfig; readonly listener: Listener }[] = [];
    const opened: Listener[] = [];
    const discard = async () => {
      for (const listener of opened) listener.cut();
      await Promise.all(opened.map((listener) => listener.leave()));
    };
    try {
      for (const config of configs) {
        const kept = this.#present.find((listener) => isAt(listener, config));
        if (kept !== undefined) {
          next.push({ config, listener: kept });
          continue;
        }
        const listener = new Listener(config, this.#logs);
        await this.#open(listener);
        opened.push(listener);
        next.push({ config, listener });
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      apply: (serving) => {
        const before = this.#present;
        this.#present = next.map(({ config, listener }) => {
          listener.serve(serving(config));
          return listener;
        });
        for (const listener of before) if (!this.#present.includes(listener)) this.#leave(listener);
      },
      discard,
    };
  }

  async #open(listener: Listener): Promise<void> {
    const { address, port, name } = listener.config;
    try {
      await listener.listen();
    } catch (error) {
      const own = this.#present.find(({ bound, isRunning }) => isRunning && bound.port === port);
      if (own === undefined) throw error;
      const message = `listeners.${name}: port ${port} on ${address} is held by the listener "${own.name}" of this process on ${own.bound.address}. Remove that one first, by a reload of its own, or restart.`;
      throw new SessionError('CONFIG_INVALID', message, { cause: error });
    }
  }

  #leave(listener: Listener): void {
    this.#leaving.add(listener);
    void listener.leave().then(() => this.#leaving.delete(listener));
  }

  /** As {@link Listener.drain}, of all. */
  async drain(): Promise<void> {
    await Promise.all(this.#all().map((listener) => listener.drain()));
  }

  /** As {@link Listener.busy}, of all. */
  get busy(): number {
    return this.#all().reduce((sum, { busy }) => sum + busy, 0);
  }

  /** As {@link Listener.cut}, of all. */
  cut(): number {
    return this.#all().reduce((sum, listener) => sum + listener.cut(), 0);
  }

  #all(): readonly Listener[] {
    return [...this.#present, ...this.#leaving];
  }
}

/** Whether a listener has the place. Of port 0 each has its own. */
function isAt({ config }: Listener, { name, address, port }: ListenerConfig): boolean {
  return config.address === address && config.port === port && (port !== 0 || config.name === name);
}
