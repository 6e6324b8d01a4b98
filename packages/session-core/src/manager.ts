import { type Backend, can } from './backend.js';
import { withKill, withParameters } from './changes.js';
import { type Environment, type Millis, processEnvironment } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import { LiveService } from './live-service.js';
import { causeOfDeath, deadFrom, type Head, headOf, type SessionRecord } from './record.js';
import type {
  Actor,
  ManagerQuery,
  Service,
  ServiceOptions,
  SessionInfo,
  SessionManager,
  SessionPatch,
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

export interface ManagerOptions {
  /** How long a call of a store may take before it counts as down, in ms. Default 2,000. */
  readonly deadline?: Millis | undefined;
  /** How often use is written to the store, in ms. Default 1,000. */
  readonly flushInterval?: Millis | undefined;
  readonly environment?: Environment | undefined;
}

/** Begins with no service; add them by {@link SessionManager.service}. */
export function createSessionManager(options: ManagerOptions = {}): SessionManager {
  return new LiveManager(options);
}

class LiveManager implements SessionManager {
  readonly services = new Map<string, LiveService>();
  readonly #environment: Environment;
  readonly #options: { readonly deadline: Millis; readonly flushInterval: Millis };
  readonly #stores = new Map<Backend, Store>();

  constructor(options: ManagerOptions) {
    this.#environment = options.environment ?? processEnvironment;
    this.#options = {
      deadline: options.deadline ?? DEFAULT_DEADLINE,
      flushInterval: options.flushInterval ?? DEFAULT_FLUSH,
    };
  }

  service(name: string, options: ServiceOptions = {}): Service {
    if (this.services.has(name)) throw invalid(`there is a service "${name}" already`);
    const settings = settle(name, options);
    this.#checkNeighbours(settings, options);
    const service = new LiveService(settings, options, this.#environment, this.#storeOf(options.backend));
    this.services.set(name, service);
    return service;
  }

  async get(id: SessionId): Promise<SessionInfo | undefined> {
    return (await this.#find(id))?.info;
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

  async end(id: SessionId, actor: Actor, ttl: Millis = 0): Promise<boolean> {
    if (!(ttl >= 0))
      throw new SessionError('INVALID_VALUE', `ttl must be a number of ms, at least 0, not ${ttl}`);
    const found = await this.#find(id);
    if (found === undefined) return false;
    const { store, record } = found;
    if (ttl > 0) {
      const set = await this.#change(store, record, (base) => withKill(base, store.now() + ttl));
      if (set) this.#tell(`${actor.name} ends the session within ${ttl} ms`, record);
      return set;
    }
    const ended = await store.end([id], 'killed', actor.name, this.#keepEnded(record));
    if (ended.includes(id)) this.#tell(`${actor.name} ended the session`, record);
    return ended.includes(id);
  }

  async alter(id: SessionId, patch: SessionPatch, actor: Actor): Promise<boolean> {
    const found = await this.#find(id);
    if (found === undefined) return false;
    const parameters = Object.fromEntries(
      Object.entries(patch.parameters ?? {}).filter(([, value]) => value !== undefined),
    );
    if (Object.keys(parameters).length === 0) return true;
    const altered = await this.#change(found.store, found.record, (base) => withParameters(base, parameters));
    if (altered) this.#tell(`${actor.name} set ${JSON.stringify(parameters)}`, found.record);
    return altered;
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

  async #find(
    id: SessionId,
  ): Promise<{ store: Store; record: SessionRecord; info: SessionInfo } | undefined> {
    const found = await Promise.all(
      [...this.#stores.values()].map(async (store) => ({ store, record: await store.load(id) })),
    );
    for (const { store, record } of found) {
      if (record === undefined) continue;
      const info = describe(headOf(record), store);
      return info.alive ? { store, record, info } : undefined;
    }
    return undefined;
  }

  /** An operator's change. False when the session ended meanwhile. */
  async #change(
    store: Store,
    base: SessionRecord,
    apply: (record: SessionRecord) => SessionRecord,
  ): Promise<boolean> {
    try {
      await store.lanes.submit({ base, bound: false, closes: false, apply });
      return true;
    } catch (error) {
      const over = error instanceof SessionError && error.code === 'CONFLICT' && !error.retryable;
      if (over) return false;
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
        return { next: page.next, items: page.items.map((head) => describe(head, store)) };
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

function describe(head: Head, store: Store): SessionInfo {
  const at = store.now();
  const seenAt = store.seenAt(head);
  const { idle, endsAt, killAt, ended } = head;
  const times = { seenAt, idle, endsAt, killAt, ended };
  const cause = causeOfDeath(times, at);
  // Member by member: spreads make objects of ten times the size, and a list makes many.
  return {
    format: head.format,
    id: head.id,
    version: head.version,
    service: head.service,
    user: head.user,
    epoch: head.epoch,
    secretAt: head.secretAt,
    startedAt: head.startedAt,
    authenticatedAt: head.authenticatedAt,
    seenAt,
    idle,
    endsAt,
    killAt,
    ended,
    client: head.client,
    parameters: head.parameters,
    filters: head.filters,
    restartedAt: head.restartedAt,
    dataVersion: head.dataVersion,
    extra: head.extra,
    at,
    deadFrom: deadFrom(times),
    alive: cause === undefined,
    cause,
  };
}

function fits(info: SessionInfo, state: 'alive' | 'ended' | 'any'): boolean {
  return state === 'any' || info.alive === (state === 'alive');
}

function cannotList(backend: Backend): SessionError {
  return new SessionError('UNSUPPORTED', `backend ${backend.type} can't list sessions`);
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
