import { clearFields, issueFields } from './answer.js';
import { firstSeen, withSecretSeen } from './changes.js';
import { isForeign, isUnsafe } from './cross-site.js';
import type { Environment, Millis } from './environment.js';
import { hashSecret, toToken } from './id.js';
import { Limits } from './limits.js';
import { choose, isFromTheFuture, judge, type Presented, readRequest, type Verdict } from './opening.js';
import type { SessionRecord } from './record.js';
import { missing, refusal } from './refusal.js';
import { Rotations } from './rotations.js';
import type { Service, ServiceOptions, SessionMode, Visit, VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { Transport } from './transport.js';
import { OpenVisit, type Plan, type ServiceParts } from './visit.js';

/** What a path asks of a request. */
interface Demand {
  readonly mode: SessionMode;
  readonly loginUrl: string | undefined;
}

export class LiveService implements Service {
  readonly name: string;
  readonly options: ServiceOptions;
  readonly settings: Settings;
  readonly store: Store | undefined;
  readonly #parts: ServiceParts;

  constructor(
    settings: Settings,
    options: ServiceOptions,
    environment: Environment,
    store: Store | undefined,
  ) {
    this.name = settings.name;
    this.options = options;
    this.settings = settings;
    this.store = store;
    const { limits } = settings;
    this.#parts = {
      settings,
      store,
      limits: limits && new Limits(settings.name, limits, environment),
      rotations: new Rotations(),
    };
  }

  get group(): string {
    return this.settings.group;
  }

  open(request: VisitRequest): Promise<Visit> {
    const { store, settings } = this;
    const rule = settings.rules.find(request.path);
    const demand: Demand = {
      mode: rule?.session ?? settings.mode,
      loginUrl: rule?.loginUrl ?? settings.loginUrl,
    };
    if (store === undefined || demand.mode === 'none' || isPreflight(request)) {
      return Promise.resolve(new OpenVisit(this.#parts, request, 'never'));
    }
    const reading = readRequest(settings.transports, request);
    if (reading.kind === 'ambiguous') return Promise.resolve(this.#refused(request, 'bad_request'));
    if (reading.kind === 'nothing')
      return Promise.resolve(this.#without(request, demand, this.#plan(request)));
    const wait = this.#parts.limits?.over(request, 'failedTokens');
    if (wait !== undefined) return Promise.resolve(this.#refused(request, 'too_many', wait));
    if (reading.kind === 'malformed') {
      const dead: Verdict = { kind: 'dead', code: 'session_invalid', cause: undefined, record: undefined };
      return Promise.resolve(this.#decided(request, demand, reading.transport, dead));
    }
    return this.#look(store, request, reading).then(
      (verdict) =>
        verdict === 'ambiguous'
          ? this.#refused(request, 'bad_request')
          : this.#decided(request, demand, reading.transport, verdict),
      (fault: unknown) => {
        const visit = new OpenVisit(this.#parts, request, 'hushed');
        visit.refusal = visit.refuse(fault);
        if (visit.refusal === undefined) throw fault;
        return visit;
      },
    );
  }

  /** Asks the store for what the tokens open. One round trip, none for ids that were made up. */
  #look(store: Store, request: VisitRequest, { credentials }: Presented): Promise<Verdict | 'ambiguous'> {
    const { starting } = store;
    if (starting !== undefined)
      return starting.then(() => this.#look(store, request, { credentials } as Presented));
    const now = store.now();
    const [first] = credentials;
    if (credentials.length === 1 && first !== undefined && !isFromTheFuture(first, now)) {
      return store.load(first.id).then((record) => judge(this.settings, store, first, record));
    }
    const loads = credentials.map((credential) =>
      isFromTheFuture(credential, now) ? Promise.resolve(undefined) : store.load(credential.id),
    );
    return Promise.all(loads).then((records) =>
      choose(credentials.map((credential, i) => judge(this.settings, store, credential, records[i]))),
    );
  }

  #decided(request: VisitRequest, demand: Demand, transport: Transport, verdict: Verdict): OpenVisit {
    switch (verdict.kind) {
      case 'open':
        return this.#opened(request, transport, verdict);
      case 'foreign':
        // Its cookie is another service's: it is neither cleared nor replaced.
        return this.#without(request, demand, 'never');
      case 'hushed':
        if (verdict.code === 'session_invalid') this.#parts.limits?.count(request, 'failedTokens');
        if (demand.mode !== 'required') return this.#without(request, demand, 'hushed');
        return this.#refused(request, verdict.code, undefined, transport);
      case 'dead':
        return this.#dead(request, demand, transport, verdict);
    }
  }

  #opened(request: VisitRequest, transport: Transport, verdict: Verdict & { kind: 'open' }): OpenVisit {
    if (transport.ambient && this.#isCrossSite(request)) return this.#refused(request, 'cross_site');
    const store = this.store as Store;
    const { record, credential, by, readOnly } = verdict;
    const now = store.now();
    const visit = new OpenVisit(this.#parts, request, 'never');
    const rotationDue = by === 'present' && this.#parts.rotations.take(record.id, now);
    visit.opened(record, transport, { readOnly, rotationDue });
    if (by === 'present') {
      if (firstSeen(record)) this.#noteSecretSeen(store, record, hashSecret(credential.secret));
      if (transport.carrier.cookie !== undefined && hasRolled(store.seenAt(record), record, now)) {
        const token = toToken(record.id, credential.secret);
        visit.headers = issueFields(this.#parts, request, transport, token, record);
      }
    }
    store.touch(record.id, record.epoch, now);
    return visit;
  }

  #dead(
    request: VisitRequest,
    demand: Demand,
    transport: Transport,
    verdict: Verdict & { kind: 'dead' },
  ): OpenVisit {
    const { settings } = this;
    if (verdict.cause === undefined) this.#parts.limits?.count(request, 'failedTokens');
    if (verdict.record !== undefined && verdict.record.ended === undefined && verdict.cause !== undefined) {
      this.store?.buryLater(verdict.record, verdict.cause, settings.keepEnded);
    }
    if (settings.onDead === 'error') return this.#refused(request, verdict.code, undefined, transport, true);
    const visit = this.#without(request, demand, this.#plan(request));
    const cleared = clearFields(this.#parts, request, transport);
    if (verdict.cause !== undefined) visit.notes = [['session-ended', verdict.cause]];
    visit.headers = [...cleared, ...visit.notes];
    if (visit.refusal !== undefined) {
      visit.refusal = { ...visit.refusal, headers: [...visit.refusal.headers, ...visit.headers] };
    }
    return visit;
  }

  /** No session is open. */
  #without(request: VisitRequest, demand: Demand, plan: Plan): OpenVisit {
    if (this.settings.ambient && this.#isCrossSite(request)) return this.#refused(request, 'cross_site');
    if (plan === 'create') {
      const wait = this.#parts.limits?.over(request, 'creations');
      if (wait !== undefined) return this.#refused(request, 'too_many', wait);
    }
    const visit = new OpenVisit(this.#parts, request, plan);
    if (demand.mode === 'required' && plan !== 'create') {
      visit.refusal = missing(this.settings, request, demand.loginUrl);
    }
    return visit;
  }

  #refused(
    request: VisitRequest,
    code: Parameters<typeof refusal>[2],
    retryAfter?: number,
    presented?: Transport,
    clear = false,
  ): OpenVisit {
    const visit = new OpenVisit(this.#parts, request, 'hushed');
    visit.refusal = refusal(this.settings, request, code, { retryAfter, presented, clear });
    return visit;
  }

  #plan(request: VisitRequest): Plan {
    const { autoCreate } = this.settings;
    if (autoCreate === false || request.upgrade) return 'never';
    if (request.method === 'HEAD' || request.method === 'OPTIONS') return 'never';
    return autoCreate === true ? 'create' : 'on_write';
  }

  #isCrossSite(request: VisitRequest): boolean {
    return isUnsafe(request) && isForeign(request, this.settings.allowOrigins);
  }

  /** The client holds the rotated secret now: the one before it gets its last 30 s. Not awaited; the next visit tries again. */
  #noteSecretSeen(store: Store, base: SessionRecord, hash: string): void {
    store.lanes
      .submit({ base, bound: true, closes: false, apply: (record, now) => withSecretSeen(record, hash, now) })
      .catch((error: unknown) =>
        store.environment.log({
          level: 'info',
          message: 'noting a rotated secret failed',
          session: base.id,
          error,
        }),
      );
  }
}

/** A CORS preflight never carries credentials, and what answers it must be reached to allow anything. */
function isPreflight(request: VisitRequest): boolean {
  return (
    request.method === 'OPTIONS' &&
    request.header('access-control-request-method') !== undefined &&
    request.header('origin') !== undefined
  );
}

/** Whether the end of the session has moved by a tenth of its idle time since the cookie was handed out or renewed. */
function hasRolled(seenAt: Millis, record: SessionRecord, now: Millis): boolean {
  if (seenAt + record.idle >= Math.min(record.endsAt, record.killAt ?? record.endsAt)) return false;
  const tenth = record.idle / 10;
  return Math.floor((now - record.secretAt) / tenth) !== Math.floor((seenAt - record.secretAt) / tenth);
}
