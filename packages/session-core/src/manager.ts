import type { Kept } from './activity.js';
import type { Alteration } from './alterations.js';
import { type Backend, can, type JournalEntry } from './backend.js';
import { parseFrozen } from './data.js';
import { type Environment, type LogEntry, type Millis, processEnvironment } from './environment.js';
import { SessionError } from './errors.js';
import type { Filter } from './filter.js';
import type { Held } from './holdings.js';
import type { SessionId } from './id.js';
import { describe, fits } from './info.js';
import { readActivity, type SessionActivity } from './journal.js';
import { LiveService, type SharedParts } from './live-service.js';
import { LogLevels } from './log-levels.js';
import { Operator } from './operator.js';
import type { SessionRecord } from './record.js';
import { Restarts } from './restarts.js';
import type {
  Actor,
  Guard,
  ManagerQuery,
  RestartOptions,
  Service,
  ServiceOptions,
  SessionDetail,
  SessionInfo,
  SessionManager,
  StoreHealth,
} from './service.js';
import { type Settings, settle } from './settings.js';
import { KEEP_ENDED, Store } from './store.js';

const DEFAULT_DEADLINE = 2_000;
const DEFAULT_FLUSH = 1_000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Rows asked of a store at least, so that a short page behind many that have run out takes few calls. */
const NOTHING_KEPT: Kept = { statements: 0, lines: 0 };
const LEAST_ASKED = 100;
/** How often marks of other processes are looked for. */
const RESTARTS_LOOKED_FOR: Millis = 1_000;
/** Sessions looked at together when all are reset. */
const RESET_PAGE = 100;

export interface ManagerOptions {
  /** How long a call of a store may take before it counts as down, in ms. Default 2,000. */
  readonly deadline?: Millis | undefined;
  /** How often use is written to the store, in ms. Default 1,000. */
  readonly flushInterval?: Millis | undefined;
  /** Filters by name, for services and for operators who give them to sessions. Whoever made them closes them, after the manager. Default: none. */
  readonly filters?: ReadonlyMap<string, Filter> | undefined;
  /** How much of what the sessions of a service do is kept for operators; asked with every request. Default: nothing. */
  readonly kept?: ((service: string) => Kept) | undefined;
  readonly environment?: Environment | undefined;
}

/** Begins with no service; add them by {@link SessionManager.service}. */
export function createSessionManager(options: ManagerOptions = {}): SessionManager {
  return new LiveManager(options);
}

class LiveManager implements SessionManager {
  readonly services = new Map<string, LiveService>();
  readonly filters: ReadonlyMap<string, Filter>;
  readonly environment: Environment;
  readonly #levels = new LogLevels();
  readonly #operator: Operator;
  readonly #kept: (service: string) => Kept;
  readonly #options: { readonly deadline: Millis; readonly flushInterval: Millis };
  readonly #stores = new Map<Backend, Store>();
  /** When all sessions of a group of services were restarted. */
  readonly #restarts = new Restarts();
  #stopLooking: (() => void) | undefined;

  constructor(options: ManagerOptions) {
    const environment = options.environment ?? processEnvironment;
    this.environment = { ...environment, log: (entry) => this.#log(entry, environment) };
    this.#kept = options.kept ?? (() => NOTHING_KEPT);
    this.filters = options.filters ?? new Map();
    if (this.filters.size > 0)
      this.#stopLooking = environment.every(RESTARTS_LOOKED_FOR, () => void this.#lookForRestarts());
    this.#operator = new Operator({
      environment: this.environment,
      filters: this.filters,
      stores: () => this.#stores.values(),
      describe: (head, store) => describe(head, store, this.#restarts),
      keepEnded: (record) => this.#keepEnded(record),
    });
    this.#options = {
      deadline: options.deadline ?? DEFAULT_DEADLINE,
      flushInterval: options.flushInterval ?? DEFAULT_FLUSH,
    };
  }

  service(name: string, options: ServiceOptions = {}): Service {
    if (this.services.has(name)) throw invalid(`there is a service "${name}" already`);
    const settings = settle(name, options);
    const unknown = options.filters?.find((filter) => !this.filters.has(filter));
    if (unknown !== undefined) throw invalid(`service "${name}": there is no filter "${unknown}"`);
    this.#checkNeighbours(settings, options);
    const shared: SharedParts = {
      environment: this.environment,
      filters: this.filters,
      levels: this.#levels,
      kept: this.#kept,
      restarts: this.#restarts,
    };
    const service = new LiveService(settings, options, shared, this.#storeOf(options.backend));
    this.services.set(name, service);
    return service;
  }

  async get(id: SessionId): Promise<SessionInfo | undefined> {
    return (await this.#operator.find(id))?.info;
  }

  async inspect(id: SessionId): Promise<SessionDetail | undefined> {
    const found = await this.#operator.find(id);
    if (found === undefined) return undefined;
    const { data } = found.record;
    return {
      info: found.info,
      dataBytes: Buffer.byteLength(data),
      data: () => parseFrozen(data) as Readonly<Record<string, unknown>>,
    };
  }

  async list(
    query: ManagerQuery = {},
  ): Promise<{ readonly items: readonly SessionInfo[]; readonly next: SessionId | undefined }> {
    const limit = Math.min(Math.max(1, query.limit ?? DEFAULT_LIMIT), MAX_LIMIT);
    const state = query.state ?? 'alive';
    const items: SessionInfo[] = [];
    let after = query.after;
    // Sessions that have run out are dropped here, so a page of the stores may fill less than a page of ours.
    for (;;) {
      const page = await this.#page({ ...query, after, limit: Math.max(limit, LEAST_ASKED) }, state);
      for (const [i, info] of page.items.entries()) {
        if (!fits(info, state)) continue;
        items.push(info);
        if (items.length < limit) continue;
        const more = page.next !== undefined || i + 1 < page.items.length;
        return { items, next: more ? info.id : undefined };
      }
      after = page.next;
      if (after === undefined) return { items, next: undefined };
    }
  }

  async count(query: Pick<ManagerQuery, 'service' | 'user'> = {}): Promise<number> {
    let total = 0;
    for (const store of this.#stores.values()) {
      const { backend } = store;
      if (!can(backend, 'inspect')) throw cannotList(backend);
      const { service, user } = query;
      total += await store.call('count', (signal) => backend.count({ service, user, state: 'open' }, signal));
    }
    return total;
  }

  end(id: SessionId, actor: Actor, ttl: Millis = 0, guard?: Guard): Promise<boolean> {
    return this.#operator.end(id, actor, ttl, guard);
  }

  alter(id: SessionId, change: Alteration, actor: Actor, guard?: Guard): Promise<boolean> {
    return this.#operator.alter(id, change, actor, guard);
  }

  restart(id: SessionId, actor: Actor, options: RestartOptions = {}, guard?: Guard): Promise<boolean> {
    return this.#operator.restart(id, actor, options, guard);
  }

  async restartAll(actor: Actor, { reset = false }: RestartOptions = {}): Promise<void> {
    for (const [store, groups] of this.#groups())
      for (const [group, longest] of groups) await this.#restarts.mark(store, group, longest);
    this.environment.log({ level: 'notice', message: `${actor.name} restarted all sessions` });
    if (!reset) return;
    let after: SessionId | undefined;
    do {
      const page = await this.list({ after, limit: RESET_PAGE });
      const set = page.items.filter(
        ({ parameters, filters }) => filters !== undefined || Object.keys(parameters).length > 0,
      );
      await Promise.all(
        set.map(({ id }) => this.restart(id, actor, { reset }).catch((error) => this.#notReset(id, error))),
      );
      after = page.next;
    } while (after !== undefined);
  }

  /** The groups of each store, with the longest life of a session. */
  #groups(): Map<Store, Map<string, Millis>> {
    const stores = new Map<Store, Map<string, Millis>>();
    for (const { store, group, settings } of this.services.values()) {
      if (store === undefined) continue;
      const groups = stores.get(store) ?? new Map<string, Millis>();
      stores.set(store, groups.set(group, Math.max(settings.times.duration, groups.get(group) ?? 0)));
    }
    return stores;
  }

  async #lookForRestarts(): Promise<void> {
    for (const [store, groups] of this.#groups()) await this.#restarts.refresh(store, [...groups.keys()]);
  }

  #notReset(id: SessionId, error: unknown): void {
    if (!(error instanceof SessionError && error.code === 'CONFLICT')) throw error;
    this.environment.log({ level: 'warning', message: 'a session was not reset', session: id, error });
  }

  async activity(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, SessionActivity>> {
    const entries = new Map<SessionId, JournalEntry[]>(ids.map((id) => [id, []]));
    for (const store of this.#stores.values()) {
      const { backend } = store;
      if (!can(backend, 'journal')) continue;
      const read = await store.call('read', (signal) => backend.read(ids, signal));
      for (const [at, id] of ids.entries()) {
        const stored = read[at] ?? [];
        const known = new Set(stored.map(({ at, text }) => `${at} ${text}`));
        const fresh = store.activity.fresh(id).filter(({ at, text }) => !known.has(`${at} ${text}`));
        entries.get(id)?.push(...stored, ...fresh);
      }
    }
    return new Map([...entries].map(([id, found]) => [id, readActivity(found)]));
  }

  async holdings(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, readonly Held[]>> {
    const all = await Promise.all([...this.#stores.values()].map(({ holdings }) => holdings.of(ids)));
    return new Map(ids.map((id) => [id, all.flatMap((found) => found.get(id) ?? [])]));
  }

  health(): Promise<readonly StoreHealth[]> {
    return Promise.all(
      [...this.#stores.values()].map(async (store): Promise<StoreHealth> => {
        const reason = await store.unfit();
        return {
          type: store.backend.type,
          services: this.#servicesOf(store).map(({ name }) => name),
          ok: reason === undefined,
          reason,
          clockOffset: store.clockOffset,
        };
      }),
    );
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store.flush()));
  }

  async close(): Promise<void> {
    this.#stopLooking?.();
    await Promise.all([...this.services.values()].map((service) => service.close()));
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
  }

  #storeOf(backend: Backend | undefined): Store | undefined {
    if (backend === undefined) return undefined;
    let store = this.#stores.get(backend);
    if (store === undefined) {
      const keepEnded = (record: SessionRecord) => this.#keepEnded(record);
      store = new Store(backend, this.environment, { ...this.#options, keepEnded });
      this.#stores.set(backend, store);
    }
    return store;
  }

  /** A line about a session goes into its log, and into the process log as far as its log levels say. */
  #log(entry: LogEntry, { log }: Environment): void {
    const { session, service, level, message, error } = entry;
    if (session === undefined) {
      log(entry);
      return;
    }
    const by = this.services.get(service ?? '') ?? this.#ofGroup(service);
    const text = error instanceof Error ? `${message} (${error.message})` : message;
    by?.store?.activity.line(session, level, text, this.#kept(by.name));
    const going = this.#levels.of(session, level);
    if (going !== 'no') log(going === 'asked' ? { ...entry, wanted: true } : entry);
  }

  #ofGroup(group: string | undefined): LiveService | undefined {
    for (const service of this.services.values()) if (service.group === group) return service;
    return undefined;
  }

  #servicesOf(store: Store): LiveService[] {
    return [...this.services.values()].filter((service) => service.store === store);
  }

  /** One page over all stores, ascending by id. */
  async #page(
    query: ManagerQuery & { readonly limit: number },
    state: 'alive' | 'ended' | 'any',
  ): Promise<{ items: readonly SessionInfo[]; next: SessionId | undefined }> {
    const { service, user, after, limit } = query;
    const pages = await Promise.all(
      [...this.#stores.values()].map(async (store) => {
        const { backend } = store;
        if (!can(backend, 'inspect')) throw cannotList(backend);
        const asked = {
          service,
          user,
          after,
          limit,
          state: state === 'alive' ? ('open' as const) : undefined,
        };
        const page = await store.call('list', (signal) => backend.list(asked, signal));
        return { next: page.next, items: page.items.map((head) => describe(head, store, this.#restarts)) };
      }),
    );
    const rows = pages.flatMap(({ items }) => items).sort((a, b) => (a.id < b.id ? -1 : 1));
    const items = rows.slice(0, limit);
    const more = rows.length > limit || pages.some(({ next }) => next !== undefined);
    const last = items.at(-1)?.id;
    return { items, next: more ? last : undefined };
  }

  #keepEnded(record: SessionRecord): Millis {
    for (const { settings } of this.services.values()) {
      if (settings.group === record.service) return settings.keepEnded;
    }
    return KEEP_ENDED;
  }

  /** Two services of one backend must not read each other's cookie, nor share sessions by accident. */
  #checkNeighbours(settings: Settings, options: ServiceOptions): void {
    if (options.backend === undefined) return;
    for (const other of this.services.values()) {
      if (other.options.backend !== options.backend) continue;
      if (options.share !== undefined && other.options.share === options.share) continue;
      if (other.group === settings.group) {
        throw invalid(`"${settings.group}" names a service and a share group of one backend; rename one`);
      }
      for (const { carrier } of settings.transports) {
        const { cookie } = carrier;
        if (
          cookie !== undefined &&
          other.settings.transports.some((theirs) => theirs.carrier.cookie === cookie)
        ) {
          throw invalid(
            `services "${other.name}" and "${settings.name}" use one backend and the cookie "${cookie}"; give them different cookie names, or the same share group`,
          );
        }
      }
    }
  }
}

function cannotList(backend: Backend): SessionError {
  return new SessionError('UNSUPPORTED', `backend ${backend.type} can't list sessions`);
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
