import {
  type AdminServer,
  createAdminApi,
  createMeter,
  createUsers,
  type Meter,
  Settings,
  serveAdmin,
  type Users,
} from '@sessionkit/admin-api';
import { type AdminConfig, type CheckedConfig, type Composition, compose } from '@sessionkit/compose';
import { httpSettings } from '@sessionkit/http-node';
import { type Millis, SessionError } from '@sessionkit/session-core';
import { AdminCredentials } from './admin-credentials.js';
import { makeFirstUser } from './first-user.js';
import { Listener, type ServiceFront } from './listener.js';
import type { Logs } from './log.js';
import { createSystem } from './system.js';
import { TrafficCount } from './traffic.js';

/** How long stores have to take what is still to be written, besides the time that the requests had. */
const CLOSE_TIMEOUT: Millis = 5_000;

/** The gateway and the admin API of one configuration, running. */
export class App {
  readonly #config: CheckedConfig;
  readonly #logs: Logs;
  readonly #composition: Composition;
  readonly #settings: Settings;
  readonly #fronts: ReadonlyMap<string, ServiceFront>;
  readonly #listeners: readonly Listener[];
  #meter: Meter | undefined;
  #admin: AdminServer | undefined;
  #draining = false;

  private constructor(config: CheckedConfig, logs: Logs, composition: Composition, settings: Settings) {
    this.#config = config;
    this.#logs = logs;
    this.#composition = composition;
    this.#settings = settings;
    const startedAt = Date.now();
    this.#fronts = new Map(
      [...composition.services].map(([name, { service, router }]) => [
        name,
        { service, router, traffic: new TrafficCount(), startedAt, stopped: false },
      ]),
    );
    const http = httpSettings({ trustProxy: config.trustProxy, environment: logs.environment });
    const redacted = [...config.services.values()].flatMap(
      ({ session }) => session?.transports.flatMap(({ carrier }) => carrier.query ?? []) ?? [],
    );
    this.#listeners = config.listeners.map((listener) => {
      const front = this.#fronts.get(listener.service);
      if (front?.router === undefined) {
        throw new SessionError(
          'CONFIG_INVALID',
          `listeners.${listener.name}: the service "${listener.service}" has no router`,
        );
      }
      return new Listener({ config: listener, front, router: front.router, settings: http, redacted, logs });
    });
  }

  /**
   * Makes the services, listens everywhere, and logs where. When one thing fails, all that was begun is closed again.
   * @throws SessionError `CONFIG_INVALID` (also: a port is taken), `BACKEND_*`.
   */
  static async start(config: CheckedConfig, logs: Logs): Promise<App> {
    const { environment } = logs;
    const users =
      config.admin === undefined ? undefined : createUsers({ file: config.admin.usersFile, environment });
    const credentials = users && new AdminCredentials(users, environment);
    await credentials?.refresh();
    const isAdminCredential = credentials && ((value: string) => credentials.include(value));
    const settings = new Settings();
    const composition = await compose(config, { environment, isAdminCredential, kept: settings.kept });
    let app: App | undefined;
    try {
      app = new App(config, logs, composition, settings);
      for (const listener of app.#listeners) await listener.listen();
      if (config.admin !== undefined && users !== undefined) await app.#startAdmin(config.admin, users);
      await credentials?.refresh();
    } catch (error) {
      if (app !== undefined) await app.#abandon();
      await composition.close();
      throw error;
    }
    app.#tell();
    return app;
  }

  async #startAdmin(config: AdminConfig, users: Users): Promise<void> {
    const logs = this.#logs;
    this.#meter = createMeter(logs.environment);
    const api = createAdminApi({
      manager: this.#composition.manager,
      system: {
        ...createSystem({
          config: this.#config,
          admin: config,
          adminPort: () => this.#admin?.port,
          fronts: this.#fronts,
          listeners: this.#listeners,
          logs,
          meter: this.#meter,
        }),
        settings: this.#settings,
      },
      users,
      hosts: config.hosts,
      basicSeesActivity: config.basicSeesActivity,
      showData: config.showData,
      environment: logs.environment,
      health: async () => (this.#draining ? [DRAINING] : []),
      access: ({ at: _, ...entry }) => logs.access({ listener: 'admin', ...entry }),
    });
    this.#admin = await serveAdmin({
      api: { ...api, fetch: (request, peer) => this.#notReady(request) ?? api.fetch(request, peer) },
      address: config.address,
      port: config.port,
      tls: config.tls,
      insecure: config.insecure,
      environment: logs.environment,
    });
    await makeFirstUser(users, config.usersFile, logs);
  }

  /** At once, where the API itself may answer from what it asked a second ago. */
  #notReady(request: Request): Promise<Response> | undefined {
    if (!this.#draining || new URL(request.url).pathname !== '/readyz') return undefined;
    const headers = { 'cache-control': 'no-store', connection: 'close' };
    return Promise.resolve(Response.json({ errors: [{ detail: DRAINING }] }, { status: 503, headers }));
  }

  async #abandon(): Promise<void> {
    for (const listener of this.#listeners) listener.cut();
    await Promise.all(this.#listeners.map((listener) => listener.drain()));
    await this.#admin?.close(0);
    this.#meter?.close();
  }

  #tell(): void {
    for (const [i, listener] of this.#listeners.entries()) {
      const service = this.#config.listeners[i]?.service;
      const { name, url } = listener;
      this.#logs.log('info', `listening: ${name} ${url} -> ${service}`, { listener: name, url, service });
    }
    const url = this.#admin?.url;
    if (url !== undefined) this.#logs.log('info', `listening: admin ${url}`, { listener: 'admin', url });
  }

  /**
   * Takes no more connections, lets the requests under way finish for as long as the configuration says or until `now` aborts, cuts the others, writes what
   * is still to be written and closes everything. Answers whether it all ended well, with nothing cut.
   */
  async stop(now: AbortSignal): Promise<boolean> {
    const begun = Date.now();
    this.#draining = true;
    const drained = Promise.all(this.#listeners.map((listener) => listener.drain()));
    const inTime = await within(this.#config.drainTimeout, drained, now);
    let cut = 0;
    if (!inTime) {
      for (const listener of this.#listeners) cut += listener.cut();
      await within(CLOSE_TIMEOUT, drained);
    }
    const left = now.aborted ? 0 : Math.max(0, this.#config.drainTimeout - (Date.now() - begun));
    const adminFinished = (await this.#admin?.close(left)) ?? true;
    this.#meter?.close();
    const closed = await within(CLOSE_TIMEOUT, this.#composition.close());
    if (cut > 0) this.#logs.log('warning', `stopped: ${cut} requests were cut`, { cut });
    else if (closed) this.#logs.log('info', 'stopped');
    return cut === 0 && adminFinished && closed;
  }
}

const DRAINING = 'The process is shutting down.';

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
