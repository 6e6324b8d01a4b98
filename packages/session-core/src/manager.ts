import type { Kept } from './activity.js';
import type { Alteration } from './alterations.js';
import type { Backend, Change } from './backend.js';
import { usesOf } from './chains.js';
import { parseFrozen } from './data.js';
import { type Environment, type LogEntry, type Millis, processEnvironment } from './environment.js';
import { SessionError } from './errors.js';
import type { Filter } from './filter.js';
import { hintOfMemory, hintOfTimes } from './hints.js';
import type { Held } from './holdings.js';
import type { SessionId } from './id.js';
import { describe, fits } from './info.js';
import { readActivity, type SessionActivity } from './journal.js';
import { Watchers } from './listeners.js';
import { LiveService, type SharedParts } from './live-service.js';
import { LogLevels } from './log-levels.js';
import { checkNeighbours, type Neighbour } from './neighbours.js';
import { Operator } from './operator.js';
import { countOf, pageOf } from './pages.js';
import type { SessionRecord } from './record.js';
import { Restarts } from './restarts.js';
import type {
  Actor,
  Guard,
  ManagerQuery,
  ManagerSetup,
  RestartOptions,
  Retired,
  Service,
  ServiceOptions,
  SessionDetail,
  SessionInfo,
  SessionManager,
  SessionOwner,
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
const NO_FILTERS: ReadonlyMap<string, Filter> = new Map();
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
  readonly environment: Environment;
  readonly #shared: SharedParts;
  readonly #levels = new LogLevels();
  readonly #operator: Operator;
  readonly #kept: (service: string) => Kept;
  readonly #flushInterval: Millis;
  #deadline: Millis;
  #filters: ReadonlyMap<string, Filter>;
  readonly #stores = new Map<Backend, Store>();
  readonly #watchers = new Watchers();
  /** Those of a setup before, until nobody uses them. */
  readonly #leaving = new Set<LiveService | Store>();
  /** When all sessions of a group of services were restarted. */
  readonly #restarts = new Restarts();
  #stopLooking: (() => void) | undefined;

  constructor(options: ManagerOptions) {
    const environment = options.environment ?? processEnvironment;
    this.environment = { ...environment, log: (entry) => this.#log(entry, environment) };
    this.#kept = options.kept ?? (() => NOTHING_KEPT);
    this.#filters = options.filters ?? new Map();
    this.#flushInterval = options.flushInterval ?? DEFAULT_FLUSH;
    this.#deadline = options.deadline ?? DEFAULT_DEADLINE;
    this.#look();
    this.#shared = {
      environment: this.environment,
      levels: this.#levels,
      kept: this.#kept,
      restarts: this.#restarts,
    };
    this.#operator = new Operator({
      environment: this.environment,
      filters: () => this.filters,
      stores: () => this.#stores.values(),
      describe: (head, store) => describe(head, store, this.#restarts),
      keepEnded: (record) => this.#keepEnded(record),
    });
  }

  get filters(): ReadonlyMap<string, Filter> {
    return this.#filters;
  }

  service(name: string, options: ServiceOptions = {}): Service {
    if (this.services.has(name)) throw invalid(`there is a service "${name}" already`);
    const settings = this.#settle(name, options, this.filters);
    checkNeighbours({ settings, options }, this.services.values());
    const setup = { settings, options, store: this.#storeOf(options.backend), filters: this.filters };
    const service = new LiveService(setup, this.#shared);
    this.services.set(name, service);
    return service;
  }

  reconfigure({ services, filters = NO_FILTERS, deadline }: ManagerSetup): () => Retired {
    const next: Neighbour[] = [];
    for (const [name, options] of services) {
      const one = { settings: this.#settle(name, options, filters), options };
      checkNeighbours(one, next);
      next.push(one);
    }
    return () => this.#become(next, filters, deadline ?? DEFAULT_DEADLINE);
  }

  /** Nothing of it waits: no visit sees a part of it. */
  #become(next: readonly Neighbour[], filters: ReadonlyMap<string, Filter>, deadline: Millis): Retired {
    const services = new Map(this.services);
    const before = [...this.#filters.values()];
    this.#deadline = deadline;
    this.#filters = filters;
    this.#look();
    const retired = new Map<Service | Backend | Filter, Promise<void>>();
    this.services.clear();
    for (const { settings, options } of next) {
      const { name } = settings;
      const setup = { settings, options, store: this.#storeOf(options.backend), filters };
      const service = services.get(name);
      if (service !== undefined) retired.set(service, service.become(setup));
      services.delete(name);
      this.services.set(name, service ?? new LiveService(setup, this.#shared));
    }
    for (const service of services.values()) retired.set(service, this.#retire(service));
    // A visit of a service that is gone may still open one of its filters.
    const over = Promise.all([...services.values()].map((service) => retired.get(service)));
    const present = new Set(filters.values());
    for (const filter of before)
      if (!present.has(filter))
        retired.set(
          filter,
          over.then(() => usesOf(filter).idle()),
        );
    for (const [backend, store] of this.#stores) {
      store.deadline = deadline;
      if (this.#servicesOf(store).length > 0) continue;
      this.#stores.delete(backend);
      retired.set(backend, this.#retire(store));
    }
    return retired;
  }

  async #retire(part: LiveService | Store): Promise<void> {
    this.#leaving.add(part);
    try {
      await part.retire();
    } catch (error) {
      this.environment.log({
        level: 'warning',
        message: 'what is used no longer could not be closed',
        error,
      });
    }
    this.#leaving.delete(part);
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
      const page = await pageOf(
        this.#stores.values(),
        { ...query, after, limit: Math.max(limit, LEAST_ASKED), state },
        (head, store) => describe(head, store, this.#restarts),
      );
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
    const counts = await Promise.all([...this.#stores.values()].map((store) => countOf(store, query)));
    return counts.reduce((sum, count) => sum + count, 0);
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
      for (const [group, longest] of groups) await this.#restarts.mark(store, group, longest, actor);
    this.environment.log({ level: 'notice', message: `${actor.name} restarted all sessions` });
    if (!reset) return;
    let after: SessionId | undefined;
    do {
      const page = await this.list({ after, limit: RESET_PAGE });
      const set = page.items.filter(
        ({ parameters, filters }) => filters !== undefined || Object.keys(parameters).length > 0,
      );
      await Promise.all(
        set.map((info) =>
          this.restart(info.id, actor, { reset }).catch((error) => this.#notReset(info, error)),
        ),
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

  #notReset({ id: session, service }: SessionInfo, error: unknown): void {
    if (!(error instanceof SessionError && error.code === 'CONFLICT')) throw error;
    this.environment.log({ level: 'warning', message: 'a session was not reset', service, session, error });
  }

  async activity(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, SessionActivity>> {
    const all = await Promise.all([...this.#stores.values()].map(({ activity }) => activity.read(ids)));
    return new Map(ids.map((id, at) => [id, readActivity(all.flatMap((found) => found[at] ?? []))]));
  }

  async holdings(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, readonly Held[]>> {
    const all = await Promise.all([...this.#stores.values()].map(({ holdings }) => holdings.of(ids)));
    return new Map(ids.map((id) => [id, all.flatMap((found) => found.get(id) ?? [])]));
  }

  watch(listener: (change: Change) => void): () => void {
    return this.#watchers.add(listener);
  }

  owner(id: SessionId): Promise<SessionOwner | undefined> {
    return this.#operator.owner(id);
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
    const leaving = [...this.#leaving];
    const services = leaving.filter((part) => part instanceof LiveService);
    const stores = leaving.filter((part) => part instanceof Store);
    await Promise.all([...services, ...this.services.values()].map((service) => service.close()));
    await Promise.all([...stores, ...this.#stores.values()].map((store) => store.close()));
  }

  #settle(name: string, options: ServiceOptions, filters: ReadonlyMap<string, Filter>): Settings {
    const settings = settle(name, options);
    hintOfTimes(this.environment, name, options);
    const unknown = options.filters?.find((filter) => !filters.has(filter));
    if (unknown !== undefined) throw invalid(`service "${name}": there is no filter "${unknown}"`);
    for (const part of this.#leaving) {
      if (part instanceof Store && part.backend === options.backend)
        throw invalid(`service "${name}": its backend was given up and is being closed; make another one`);
    }
    return settings;
  }

  #look(): void {
    if (this.#filters.size === 0) return;
    const { every } = this.environment;
    this.#stopLooking ??= every(RESTARTS_LOOKED_FOR, () => void this.#lookForRestarts());
  }

  #storeOf(backend: Backend | undefined): Store | undefined {
    if (backend === undefined) return undefined;
    let store = this.#stores.get(backend);
    if (store === undefined) {
      hintOfMemory(this.environment, backend);
      const keepEnded = (record: SessionRecord) => this.#keepEnded(record);
      const options = { deadline: this.#deadline, flushInterval: this.#flushInterval, keepEnded };
      store = new Store(backend, this.environment, options);
      store.listeners.watchers.add((change) => this.#watchers.tell(change));
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

  #keepEnded(record: SessionRecord): Millis {
    for (const { settings } of this.services.values()) {
      if (settings.group === record.service) return settings.keepEnded;
    }
    return KEEP_ENDED;
  }
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
