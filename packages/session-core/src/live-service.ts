import { type Access, type Asking, lackOf } from './access.js';
import type { Kept, NotedRequest } from './activity.js';
import { Chains } from './chains.js';
import type { Environment, Millis } from './environment.js';
import type { Filter } from './filter.js';
import type { HoldingSource } from './holdings.js';
import type { SessionId } from './id.js';
import { Limits } from './limits.js';
import type { LogLevels } from './log-levels.js';
import { Opener } from './opener.js';
import { countOf } from './pages.js';
import type { SessionRecord } from './record.js';
import { Renewals } from './renewals.js';
import type { Restarts } from './restarts.js';
import { Rotations } from './rotations.js';
import type { Exchange } from './router.js';
import type { Refusal, Service, ServiceOptions, Visit, VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import { Tally } from './tally.js';
import { OpenVisit } from './visit.js';

/** How often filters of sessions that nobody uses any more are looked for. */
const CHAIN_SWEEP: Millis = 5_000;

/** What the services of one manager share. */
export interface SharedParts {
  readonly environment: Environment;
  readonly levels: LogLevels;
  readonly kept: (service: string) => Kept;
  /** When all sessions of a group of services were restarted. */
  readonly restarts: Pick<Restarts, 'get'>;
}

/** What a service is made of at a time. */
export interface ServiceSetup {
  readonly settings: Settings;
  readonly options: ServiceOptions;
  readonly store: Store | undefined;
  /** All filters of the manager. */
  readonly filters: ReadonlyMap<string, Filter>;
}

export class LiveService implements Service {
  readonly name: string;
  readonly chains: Chains;
  readonly #shared: SharedParts;
  readonly #visits = new Tally();
  readonly #kept = { rotations: new Rotations(), renewals: new Renewals() };
  #setup: ServiceSetup;
  #limits: Limits | undefined;
  #opener: Opener;
  #stopListening: (() => void) | undefined;
  #stopSweeping: (() => void) | undefined;

  constructor(setup: ServiceSetup, shared: SharedParts) {
    const { options, filters } = setup;
    this.name = setup.settings.name;
    this.#shared = shared;
    this.chains = new Chains({
      service: this.name,
      defaults: options.filters ?? [],
      filters,
      environment: shared.environment,
    });
    this.#setup = setup;
    this.#opener = this.#install(undefined);
  }

  get options(): ServiceOptions {
    return this.#setup.options;
  }

  get settings(): Settings {
    return this.#setup.settings;
  }

  get store(): Store | undefined {
    return this.#setup.store;
  }

  /** Visits under way go on as they were opened; the next ones are opened by this. Resolves when the former are over. */
  become(setup: ServiceSetup): Promise<void> {
    const before = this.#setup;
    const { visits } = this.#opener;
    this.#setup = setup;
    this.chains.become(setup.options.filters ?? [], setup.filters);
    this.#opener = this.#install(before);
    return visits.idle();
  }

  /** It is no longer one of the manager's. Resolves when the visits under way are over, and what was open for its sessions is closed. */
  async retire(): Promise<void> {
    this.chains.release();
    await this.#visits.idle();
    this.#stopListening?.();
    await this.close();
  }

  #install(before: ServiceSetup | undefined): Opener {
    const { settings, store, filters } = this.#setup;
    const { environment, levels } = this.#shared;
    if (before === undefined || before.store !== store) {
      this.#stopListening?.();
      this.#stopListening = store?.listeners.add(this);
    }
    if (filters.size > 0) this.#stopSweeping ??= environment.every(CHAIN_SWEEP, () => this.chains.sweep());
    // What was counted of a client goes on to count.
    if (!sameLimits(before?.settings, settings))
      this.#limits = settings.limits && new Limits(settings.name, settings.limits, environment);
    const visits = store === undefined ? [this.#visits] : [this.#visits, store.visits];
    return new Opener({ settings, store, limits: this.#limits, ...this.#kept }, visits, levels);
  }

  get group(): string {
    return this.settings.group;
  }

  open(request: VisitRequest): Promise<Visit> {
    return this.#opener.open(request);
  }

  require(visit: Asking, access: Access): Refusal | undefined {
    const now = this.store?.now() ?? this.#shared.environment.now();
    const lack = lackOf(visit.session, access, now);
    return lack && visit.refuse(lack);
  }

  pass(visit: Visit, exchange: Exchange, end: () => Promise<void>): Promise<void> {
    const record = visit instanceof OpenVisit ? visit.record : undefined;
    if (record === undefined || !this.chains.concerns(record)) return end();
    exchange.service = this.name;
    return this.chains.handle(record, this.#restartedAt(record), exchange, end).finally(() => {
      // An id that was drawn and never stored is nobody's.
      if (visit.session.isNew) this.chains.over(record.id);
    });
  }

  note(visit: Visit, statement: string): NotedRequest | undefined {
    const { id } = visit.session;
    if (id === undefined || visit.session.isNew) return undefined;
    return this.store?.activity.begin(id, statement, this.#shared.kept(this.name));
  }

  async count(): Promise<number> {
    const { store, group } = this;
    return store === undefined ? 0 : countOf(store, { service: group });
  }

  attach(source: HoldingSource): () => void {
    return this.store?.holdings.add(source) ?? (() => undefined);
  }

  get failing(): Iterable<SessionId> {
    return this.chains.failing;
  }

  pending(id: SessionId): string | undefined {
    return this.chains.pending(id);
  }

  async close(): Promise<void> {
    this.#stopSweeping?.();
    await this.chains.close();
  }

  /** What the store says of a session that has filters open here. */
  changed(record: SessionRecord): void {
    this.#shared.levels.know(record);
    this.chains.refresh(record, this.#restartedAt(record));
  }

  holds(id: SessionId): boolean {
    return this.chains.has(id);
  }

  ended(id: SessionId): void {
    this.#shared.levels.forget(id);
    this.chains.over(id);
  }

  #restartedAt(record: SessionRecord): Millis | undefined {
    const all = this.#shared.restarts.get(this.group);
    if (all === undefined || all <= record.startedAt) return record.restartedAt;
    return Math.max(all, record.restartedAt ?? 0);
  }
}

function sameLimits(before: Settings | undefined, { limits }: Settings): boolean {
  if (before === undefined) return false;
  return (
    before.limits?.creations === limits?.creations && before.limits?.failedTokens === limits?.failedTokens
  );
}
