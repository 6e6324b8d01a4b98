import { type Alteration, withAlteration, withRestart } from './alterations.js';
import { type Backend, can } from './backend.js';
import { withKill } from './changes.js';
import { parseFrozen } from './data.js';
import { type Environment, type Millis, processEnvironment } from './environment.js';
import { SessionError } from './errors.js';
import type { Filter } from './filter.js';
import type { SessionId } from './id.js';
import { describe, fits } from './info.js';
import { LiveService } from './live-service.js';
import { headOf, type SessionRecord } from './record.js';
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
const LEAST_ASKED = 100;
/** Sessions looked at together when all are reset. */
const RESET_PAGE = 100;

export interface ManagerOptions {
  /** How long a call of a store may take before it counts as down, in ms. Default 2,000. */
  readonly deadline?: Millis | undefined;
  /** How often use is written to the store, in ms. Default 1,000. */
  readonly flushInterval?: Millis | undefined;
  /** Filters by name, for services and for operators who give them to sessions. The manager closes them. Default: none. */
  readonly filters?: ReadonlyMap<string, Filter> | undefined;
  readonly environment?: Environment | undefined;
}

/** Begins with no service; add them by {@link SessionManager.service}. */
export function createSessionManager(options: ManagerOptions = {}): SessionManager {
  return new LiveManager(options);
}

interface Found {
  readonly store: Store;
  readonly record: SessionRecord;
  readonly info: SessionInfo;
}

/** What a guard threw, on its way through the lane. */
class Prevented {
  constructor(readonly reason: unknown) {}
}

const allow: Guard = () => undefined;

class LiveManager implements SessionManager {
  readonly services = new Map<string, LiveService>();
  readonly filters: ReadonlyMap<string, Filter>;
  readonly #environment: Environment;
  readonly #options: { readonly deadline: Millis; readonly flushInterval: Millis };
  readonly #stores = new Map<Backend, Store>();
  /** When all sessions of a group of services were restarted. */
  readonly #restarts = new Map<string, Millis>();

  constructor(options: ManagerOptions) {
    this.#environment = options.environment ?? processEnvironment;
    this.filters = options.filters ?? new Map();
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
    const shared = { environment: this.#environment, filters: this.filters, restarts: this.#restarts };
    const service = new LiveService(settings, options, shared, this.#storeOf(options.backend));
    this.services.set(name, service);
    return service;
  }

  async get(id: SessionId): Promise<SessionInfo | undefined> {
    return (await this.#find(id))?.info;
  }

  async inspect(id: SessionId): Promise<SessionDetail | undefined> {
    const found = await this.#find(id);
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

  async end(id: SessionId, actor: Actor, ttl: Millis = 0, guard: Guard = allow): Promise<boolean> {
    if (!(ttl >= 0))
      throw new SessionError('INVALID_VALUE', `ttl must be a number of ms, at least 0, not ${ttl}`);
    const found = await this.#find(id);
    if (found === undefined) return false;
    const { store, record } = found;
    if (ttl > 0) {
      const until = (base: SessionRecord) => withKill(base, store.now() + ttl);
      const set = await this.#change(found, until, guard);
      if (set) this.#tell(`${actor.name} ends the session within ${ttl} ms`, record);
      return set;
    }
    guard(found.info);
    const ended = await store.end([id], 'killed', actor.name, this.#keepEnded(record));
    if (ended.includes(id)) this.#tell(`${actor.name} ended the session`, record);
    return ended.includes(id);
  }

  async alter(id: SessionId, change: Alteration, actor: Actor, guard: Guard = allow): Promise<boolean> {
    for (const name of change.filters ?? []) {
      if (!this.filters.has(name)) throw new SessionError('INVALID_VALUE', `there is no filter "${name}"`);
    }
    const parameters = Object.fromEntries(
      Object.entries(change.parameters ?? {}).filter(([, value]) => value !== undefined),
    );
    const found = await this.#find(id);
    if (found === undefined) return false;
    const wanted: Alteration = { parameters, filters: change.filters };
    const altered = await this.#change(found, (base, now) => withAlteration(base, wanted, now), guard);
    if (altered) this.#tell(`${actor.name} set ${JSON.stringify(wanted)}`, found.record);
    return altered;
  }

  async restart(
    id: SessionId,
    actor: Actor,
    options: RestartOptions = {},
    guard: Guard = allow,
  ): Promise<boolean> {
    const found = await this.#find(id);
    if (found === undefined) return false;
    const { reset = false } = options;
    const restarted = await this.#change(found, (base, now) => withRestart(base, reset, now), guard);
    if (restarted) this.#tell(`${actor.name} restarted the session`, found.record);
    return restarted;
  }

  async restartAll(actor: Actor, { reset = false }: RestartOptions = {}): Promise<void> {
    for (const service of this.services.values()) {
      if (service.store !== undefined) this.#restarts.set(service.group, service.store.now());
    }
    this.#environment.log({ level: 'notice', message: `${actor.name} restarted all sessions` });
    if (!reset) return;
    let after: SessionId | undefined;
    do {
      const page = await this.list({ after, limit: RESET_PAGE });
      const set = page.items.filter(
        ({ parameters, filters }) => filters !== undefined || Object.keys(parameters).length > 0,
      );
      await Promise.all(
        set.map(({ id }) => this.restart(id, actor, { reset }).catch((error) => this.#kept(id, error))),
      );
      after = page.next;
    } while (after !== undefined);
  }

  #kept(id: SessionId, error: unknown): void {
    if (!(error instanceof SessionError && error.code === 'CONFLICT')) throw error;
    this.#environment.log({ level: 'warning', message: 'a session was not reset', session: id, error });
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
    await Promise.all([...this.services.values()].map((service) => service.close()));
    await Promise.all([...this.filters.values()].map(async (filter) => filter.close?.()));
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
  }

  #storeOf(backend: Backend | undefined): Store | undefined {
    if (backend === undefined) return undefined;
    let store = this.#stores.get(backend);
    if (store === undefined) {
      const keepEnded = (record: SessionRecord) => this.#keepEnded(record);
      store = new Store(backend, this.#environment, { ...this.#options, keepEnded });
      this.#stores.set(backend, store);
    }
    return store;
  }

  #tell(message: string, { id, service }: SessionRecord): void {
    this.#environment.log({ level: 'notice', message, service, session: id });
  }

  #servicesOf(store: Store): LiveService[] {
    return [...this.services.values()].filter((service) => service.store === store);
  }

  async #find(id: SessionId): Promise<Found | undefined> {
    const found = await Promise.all(
      [...this.#stores.values()].map(async (store) => ({ store, record: await store.load(id) })),
    );
    for (const { store, record } of found) {
      if (record === undefined) continue;
      const info = describe(headOf(record), store, this.#restarts);
      return info.alive ? { store, record, info } : undefined;
    }
    return undefined;
  }

  /** An operator's change. False when the session ended meanwhile. */
  async #change(
    { store, record }: Found,
    apply: (record: SessionRecord, now: Millis) => SessionRecord,
    guard: Guard,
  ): Promise<boolean> {
    try {
      await store.lanes.submit({
        base: record,
        bound: false,
        closes: false,
        apply: (base, now) => {
          try {
            guard(describe(headOf(base), store, this.#restarts));
          } catch (reason) {
            throw new Prevented(reason);
          }
          return apply(base, now);
        },
      });
      return true;
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      if (error.cause instanceof Prevented) throw error.cause.reason;
      if (error.code === 'CONFLICT' && !error.retryable) return false;
      throw error;
    }
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
