import { type Reloaded, Settings } from '@sessionkit/admin-api';
import {
  type CheckedConfig,
  type Composition,
  compose,
  type ListenerConfig,
  type Prepared,
} from '@sessionkit/compose';
import { type HttpSettings, httpSettings } from '@sessionkit/http-node';
import { type Millis, SessionError } from '@sessionkit/session-core';
import { Admin } from './admin.js';
import type { ServiceFront, Serving } from './listener.js';
import { Listeners } from './listeners.js';
import type { Logs } from './log.js';
import { createSystem } from './system.js';
import { TrafficCount } from './traffic.js';

/** How long stores have to take what is still to be written, besides the time that the requests had. */
const CLOSE_TIMEOUT: Millis = 5_000;

export interface AppOptions {
  /** Reads the configuration again for an operator of the admin API. */
  readonly reload?: (() => Promise<Reloaded>) | undefined;
}

/** The gateway and the admin API of one configuration, running. */
export class App {
  readonly #logs: Logs;
  readonly #composition: Composition;
  readonly #listeners: Listeners;
  readonly #admin: Admin;
  readonly #fronts = new Map<string, ServiceFront>();
  #draining = false;

  private constructor(logs: Logs, composition: Composition, admin: Admin) {
    this.#logs = logs;
    this.#composition = composition;
    this.#listeners = new Listeners(logs);
    this.#admin = admin;
  }

  /**
   * Makes the services, listens everywhere, and logs where. When one thing fails, all that was begun is closed again.
   * @throws SessionError `CONFIG_INVALID` (also: a port is taken), `BACKEND_*`.
   */
  static async start(config: CheckedConfig, logs: Logs, options: AppOptions = {}): Promise<App> {
    const { environment } = logs;
    const settings = new Settings();
    const admin: Admin = new Admin(logs, () => ({
      manager: composition.manager,
      system: { ...app.#system(options), settings },
    }));
    const composition = await compose(config, {
      environment,
      isAdminCredential: (value) => admin.includes(value),
      kept: settings.kept,
    });
    const app = new App(logs, composition, admin);
    try {
      (await app.#prepare(config)).apply();
    } catch (error) {
      await admin.close(0);
      await composition.close();
      throw error;
    }
    app.#tell();
    return app;
  }

  /** The configuration that counts now. */
  get config(): CheckedConfig {
    return this.#composition.config;
  }

  /**
   * Goes on by another configuration. Whatever can fail is done before anything is switched, and closed again when something does.
   * @returns what is different
   * @throws SessionError as {@link start} does. Nothing has changed then.
   */
  async become(config: CheckedConfig): Promise<Extract<Reloaded, { changes: unknown }>['changes']> {
    const services = await this.#composition.prepare(config);
    const parts: Pick<Prepared, 'apply' | 'discard'>[] = [services];
    try {
      parts.unshift(await this.#prepare(config));
      if (this.#draining) throw new SessionError('CONFIG_INVALID', 'the process is shutting down');
    } catch (error) {
      for (const part of parts) await part.discard();
      throw error;
    }
    for (const part of parts.reverse()) part.apply();
    this.#tell();
    return services.changes;
  }

  /** Opens what listens. Whatever can fail does it here. */
  async #prepare(config: CheckedConfig): Promise<Pick<Prepared, 'apply' | 'discard'>> {
    const serving = this.#serving(config);
    const listeners = await this.#listeners.prepare(config.listeners);
    try {
      const admin = await this.#admin.prepare(config.admin);
      return {
        apply: () => {
          this.#renewFronts();
          listeners.apply(serving);
          admin.apply();
        },
        discard: async () => {
          await admin.discard();
          await listeners.discard();
        },
      };
    } catch (error) {
      await listeners.discard();
      throw error;
    }
  }

  /** A service that stays keeps its counts, and whether an operator has stopped it. */
  #renewFronts(): void {
    const { services } = this.#composition;
    for (const [name, { service }] of this.#fronts)
      if (services.get(name)?.service !== service) this.#fronts.delete(name);
    for (const [name, { service, router }] of services) {
      const front = this.#fronts.get(name);
      if (front !== undefined) front.router = router;
      else {
        const traffic = new TrafficCount();
        this.#fronts.set(name, { service, router, traffic, startedAt: Date.now(), stopped: false });
      }
    }
  }

  #serving({ services, trustProxy }: CheckedConfig): (config: ListenerConfig) => Serving {
    const settings: HttpSettings = httpSettings({ trustProxy, environment: this.#logs.environment });
    const redacted = [...services.values()].flatMap(
      ({ session }) => session?.transports.flatMap(({ carrier }) => carrier.query ?? []) ?? [],
    );
    return (config) => {
      const front = this.#fronts.get(config.service);
      const queries = services.get(config.service)?.queries;
      // The check of the configuration has seen to it.
      if (front?.router === undefined || queries === undefined)
        throw new TypeError(`the service "${config.service}" has no router`);
      return { config, front, router: front.router, settings, redacted, queries };
    };
  }

  #system({ reload }: AppOptions) {
    const composition = this.#composition;
    const listeners = this.#listeners;
    const admin = this.#admin;
    return createSystem({
      get config() {
        return composition.config;
      },
      get listeners() {
        return listeners.present;
      },
      admin,
      fronts: this.#fronts,
      logs: this.#logs,
      reload,
    });
  }

  #tell(): void {
    for (const { name, url, service } of this.#listeners.present)
      this.#logs.log('info', `listening: ${name} ${url} -> ${service}`, { listener: name, url, service });
    const url = this.#admin.server?.url;
    if (url !== undefined) this.#logs.log('info', `listening: admin ${url}`, { listener: 'admin', url });
  }

  /**
   * Takes no more connections, lets the requests under way finish for as long as the configuration says or until `now` aborts, cuts the others, writes what
   * is still to be written and closes everything. Answers whether it all ended well, with nothing cut.
   */
  async stop(now: AbortSignal): Promise<boolean> {
    const begun = Date.now();
    const { drainTimeout } = this.config;
    this.#draining = true;
    this.#admin.drain();
    const { busy } = this.#listeners;
    if (busy > 0 && !now.aborted) {
      const time = `${drainTimeout / 1000} s to finish; another signal cuts at once`;
      this.#logs.log('info', `${requests(busy, 'is', 'are')} under way, with ${time}`, { busy });
    }
    const drained = this.#listeners.drain();
    const inTime = await within(drainTimeout, drained, now);
    let cut = 0;
    if (!inTime) {
      cut = this.#listeners.cut();
      await within(CLOSE_TIMEOUT, drained);
    }
    const left = now.aborted ? 0 : Math.max(0, drainTimeout - (Date.now() - begun));
    const adminFinished = await this.#closeAdmin(left, now);
    if (!adminFinished) this.#logs.log('warning', 'answers of the admin API were cut');
    const closed = await within(CLOSE_TIMEOUT, this.#composition.close());
    if (!closed) this.#logs.log('warning', `stores were not closed within ${CLOSE_TIMEOUT / 1000} s`);
    if (cut > 0) this.#logs.log('warning', `stopped: ${requests(cut, 'was', 'were')} cut`, { cut });
    else if (closed) this.#logs.log('info', 'stopped');
    return cut === 0 && adminFinished && closed;
  }

  /** Answers whether all its answers were finished within `timeout`, or before `now` aborted. */
  async #closeAdmin(timeout: Millis, now: AbortSignal): Promise<boolean> {
    const closings = [this.#admin.close(timeout)];
    const hurry = () => void closings.push(this.#admin.close(0));
    now.addEventListener('abort', hurry, { once: true });
    await closings[0];
    now.removeEventListener('abort', hurry);
    return (await Promise.all(closings)).every((finished) => finished);
  }
}

const requests = (count: number, one: string, more: string) =>
  count === 1 ? `1 request ${one}` : `${count} requests ${more}`;

/** Whether `work` ends in time. Rejects as it does. */
async function within(timeout: Millis, work: Promise<unknown>, now?: AbortSignal): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const late = new Promise<false>((resolve) => {
    stop = () => resolve(false);
    timer = setTimeout(stop, timeout);
    now?.addEventListener('abort', stop);
  });
  if (now?.aborted) stop?.();
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) now?.removeEventListener('abort', stop);
  }
}
