import { isDeepStrictEqual } from 'node:util';
import {
  type AdminApi,
  type AdminApiOptions,
  type AdminServer,
  createAdminApi,
  createMeter,
  createUsers,
  type Meter,
  serveAdmin,
  type Users,
} from '@sessionkit/admin-api';
import type { AdminConfig } from '@sessionkit/compose';
import { createMetrics, type Metrics } from '@sessionkit/metrics';
import { type Millis, SessionError } from '@sessionkit/session-core';
import { AdminCredentials } from './admin-credentials.js';
import { makeFirstUser } from './first-user.js';
import type { Logs } from './log.js';

const DRAINING = 'The process is shutting down.';

/** The admin API by another section, ready to take the place of the present one. One of the two verbs is to be called, once. */
export interface PreparedAdmin {
  apply(): void;
  discard(): Promise<void>;
}

/** The API behind a server: it can be exchanged. */
interface Holder {
  api: AdminApi;
}

/** What runs of one `admin` section. */
interface Running {
  readonly config: AdminConfig;
  readonly users: Users;
  readonly credentials: AdminCredentials;
  readonly api: AdminApi;
  readonly holder: Holder;
  readonly server: AdminServer;
}

/** The admin API of the gateway, if it has one. */
export class Admin {
  readonly #logs: Logs;
  readonly #options: () => Pick<AdminApiOptions, 'manager' | 'system'>;
  #running: Running | undefined;
  #meter: Meter | undefined;
  #metrics: Metrics | undefined;
  #draining = false;
  /** Of configurations before, until their last answer is finished. */
  readonly #leaving = new Set<AdminServer>();

  /** @param options asked when an API is made */
  constructor(logs: Logs, options: () => Pick<AdminApiOptions, 'manager' | 'system'>) {
    this.#logs = logs;
    this.#options = options;
  }

  /** The section that counts now. */
  get config(): AdminConfig | undefined {
    return this.#running?.config;
  }

  get server(): AdminServer | undefined {
    return this.#running?.server;
  }

  /** How busy the process is. Read while there is an API. */
  get meter(): Meter {
    this.#meter ??= createMeter(this.#logs.environment);
    return this.#meter;
  }

  /** Whether an `Authorization` value is meant for the API. */
  includes(authorization: string): boolean {
    return this.#running?.credentials.include(authorization) ?? false;
  }

  /** @throws SessionError `CONFIG_INVALID` (it cannot be listened there, a file of TLS or of users is wrong). Nothing has changed then. */
  async prepare(config: AdminConfig | undefined): Promise<PreparedAdmin> {
    const before = this.#running;
    if (config === undefined)
      return { apply: () => this.#become(undefined), discard: () => Promise.resolve() };
    const { environment } = this.#logs;
    const sameUsers = before?.config.usersFile === config.usersFile;
    const users = sameUsers ? before.users : createUsers({ file: config.usersFile, environment });
    const credentials = sameUsers ? before.credentials : new AdminCredentials(users, environment);
    await credentials.refresh();
    const sameApi = sameUsers && isDeepStrictEqual(shown(before.config), shown(config));
    const api = sameApi ? before.api : this.#createApi(config, users);
    const kept = before !== undefined && isSamePlace(before.config, config) ? before : undefined;
    const renewed = kept && config.tls && (await this.#renew(kept, config));
    const holder = kept?.holder ?? { api };
    const server = kept?.server ?? (await this.#serve(config, holder));
    const discard = async () => void (kept === undefined && (await server.close(0)));
    try {
      await makeFirstUser(users, config.usersFile, this.#logs);
      await credentials.refresh();
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      apply: () => {
        renewed?.();
        // Its streams go by what no longer counts.
        if (holder.api !== api) holder.api.endStreams?.();
        holder.api = api;
        this.#become({ config, users, credentials, api, holder, server });
      },
      discard,
    };
  }

  /** From now on `/readyz` says that the process stops. */
  drain(): void {
    this.#draining = true;
  }

  /** Answers whether all answers under way were finished within `timeout`. */
  async close(timeout: Millis): Promise<boolean> {
    const servers = [...this.#leaving, ...(this.server === undefined ? [] : [this.server])];
    const finished = await Promise.all(servers.map((server) => server.close(timeout)));
    this.#meter?.close();
    this.#metrics?.close();
    return finished.every(Boolean);
  }

  #become(running: Running | undefined): void {
    const { server } = this.#running ?? {};
    this.#running = running;
    if (server === undefined || server === running?.server) return;
    this.#leaving.add(server);
    void server.close().then(() => this.#leaving.delete(server));
  }

  async #renew({ config, server }: Running, { tls }: AdminConfig): Promise<(() => void) | undefined> {
    if (tls === undefined || config.tls === undefined) return undefined;
    return server.renew(tls);
  }

  #createApi(config: AdminConfig, users: Users): AdminApi {
    const logs = this.#logs;
    const options = this.#options();
    this.#metrics ??= createMetrics({ manager: options.manager });
    return createAdminApi({
      ...options,
      metrics: this.#metrics,
      users,
      hosts: config.hosts,
      basicSeesActivity: config.basicSeesActivity,
      showData: config.showData,
      environment: logs.environment,
      health: async () => (this.#draining ? [DRAINING] : []),
      access: ({ at: _, ...entry }) => logs.access({ listener: 'admin', ...entry }),
    });
  }

  #serve({ address, port, tls, insecure }: AdminConfig, holder: Holder): Promise<AdminServer> {
    return serveAdmin({
      api: {
        fetch: (request, peer) => this.#notReady(request) ?? holder.api.fetch(request, peer),
        refused: (status, peer) => holder.api.refused?.(status, peer),
        endStreams: () => holder.api.endStreams?.(),
      },
      address,
      port,
      tls,
      insecure,
      environment: this.#logs.environment,
    });
  }

  /** At once, where the API itself may answer from what it asked a second ago. */
  #notReady(request: Request): Promise<Response> | undefined {
    if (!this.#draining || new URL(request.url).pathname !== '/readyz') return undefined;
    const headers = { 'cache-control': 'no-store', connection: 'close' };
    return Promise.resolve(Response.json({ errors: [{ detail: DRAINING }] }, { status: 503, headers }));
  }
}

/** What an API was made with. */
function shown({ hosts, basicSeesActivity, showData }: AdminConfig) {
  return { hosts, basicSeesActivity, showData };
}

/** @throws SessionError `CONFIG_INVALID`: the place is the same, but cannot become what is asked for. */
function isSamePlace(one: AdminConfig, other: AdminConfig): boolean {
  if (one.address !== other.address || one.port !== other.port) return false;
  const form = ({ tls }: AdminConfig) => [tls !== undefined, tls?.ca !== undefined];
  if (isDeepStrictEqual(form(one), form(other))) return true;
  throw new SessionError(
    'CONFIG_INVALID',
    `admin.tls: whether it speaks HTTPS, and whether clients must show a certificate, cannot change on ${one.address}:${one.port} while the process runs. Choose another port, or restart.`,
  );
}
