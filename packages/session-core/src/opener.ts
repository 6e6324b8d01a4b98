import { clearFields } from './answer.js';
import { firstSeen, withSecretSeen } from './changes.js';
import { isForeign, isPreflight, isUnsafe } from './cross-site.js';
import { type SessionError, toSessionError } from './errors.js';
import { hint, hintOfCredentials, wants } from './hints.js';
import type { Credential, SessionId } from './id.js';
import { isCookie, TakeOvers, tokenOf } from './legacy.js';
import type { ClientCode } from './lists.js';
import type { LogLevels } from './log-levels.js';
import { choose, isFromTheFuture, judge, type Reading, readRequest, type Verdict } from './opening.js';
import { begin, over, type Plan, type ServiceParts } from './parts.js';
import type { Demand } from './paths.js';
import type { SessionRecord } from './record.js';
import { missing, refusal } from './refusal.js';
import type { VisitRequest } from './service.js';
import type { Store } from './store.js';
import { Tally } from './tally.js';
import type { HeaderField, Transport } from './transport.js';
import { OpenVisit } from './visit.js';

/** Opens the visits of a service as it is configured at a time. Those that it has opened keep to it when another takes its place. */
export class Opener {
  /** Those that it has opened. */
  readonly visits = new Tally();
  readonly #parts: ServiceParts;
  readonly #levels: LogLevels;
  readonly #takeOvers = new TakeOvers();

  /** @param counted where its visits are counted besides */
  constructor(parts: Omit<ServiceParts, 'visits'>, counted: readonly Tally[], levels: LogLevels) {
    this.#parts = { ...parts, visits: [this.visits, ...counted] };
    this.#levels = levels;
  }

  open(request: VisitRequest): Promise<OpenVisit> {
    begin(this.#parts);
    try {
      return this.#open(request);
    } catch (error) {
      over(this.#parts);
      throw error;
    }
  }

  #open(request: VisitRequest): Promise<OpenVisit> {
    const { store, settings } = this.#parts;
    const demand = settings.rules.demand(request.path);
    if (store === undefined || demand.mode === 'none' || isPreflight(request)) {
      return Promise.resolve(new OpenVisit(this.#parts, request, store === undefined ? 'never' : 'none'));
    }
    if (wants('untrusted_proxy')) this.#hintOfProxy(store, request);
    const reading = readRequest(settings.transports, request);
    if (reading.kind === 'nothing' && wants('no_credentials'))
      hintOfCredentials(store.environment, request, settings);
    if (reading.kind === 'ambiguous') return Promise.resolve(this.#refused(request, 'bad_request'));
    const plan = this.#plan(request);
    if (reading.kind === 'nothing' && plan === 'never' && settings.legacy === undefined) {
      return Promise.resolve(this.#without(request, demand, plan));
    }
    const { starting } = store;
    const opening =
      starting === undefined
        ? this.#read(store, request, demand, plan, reading)
        : starting.then(() => this.#read(store, request, demand, plan, reading));
    return opening.catch((fault: unknown) => this.#failed(request, reading, fault));
  }

  #read(
    store: Store,
    request: VisitRequest,
    demand: Demand,
    plan: Plan,
    reading: Exclude<Reading, { readonly kind: 'ambiguous' }>,
  ): Promise<OpenVisit> {
    if (reading.kind === 'nothing')
      return this.#orTakenOver(store, request, demand, () => this.#without(request, demand, plan));
    const wait = this.#parts.limits?.over(request, 'failedTokens');
    if (wait !== undefined) return Promise.resolve(this.#refused(request, 'too_many', wait));
    const { transport } = reading;
    if (reading.kind === 'malformed') {
      const dead: Verdict = { kind: 'dead', code: 'session_invalid', cause: undefined, record: undefined };
      return this.#orTakenOver(store, request, demand, () => this.#decided(request, demand, transport, dead));
    }
    return this.#look(store, reading.credentials).then((verdict) => {
      if (verdict === 'ambiguous') return this.#refused(request, 'bad_request');
      const decided = () => this.#decided(request, demand, transport, verdict);
      return verdict.kind === 'dead' ? this.#orTakenOver(store, request, demand, decided) : decided();
    });
  }

  /** The request has no token that opens anything: perhaps it has the cookie of an old session. */
  async #orTakenOver(
    store: Store,
    request: VisitRequest,
    demand: Demand,
    otherwise: () => OpenVisit,
  ): Promise<OpenVisit> {
    const { settings, limits } = this.#parts;
    const { legacy } = settings;
    const old = legacy?.read(request);
    const transport = settings.transports.find(isCookie);
    if (legacy === undefined || old === undefined || transport === undefined) return otherwise();
    if (this.#isCrossSite(request)) return this.#refused(request, 'cross_site');
    const wait = limits?.over(request, 'failedTokens');
    if (wait !== undefined) return this.#refused(request, 'too_many', wait);
    const credential = tokenOf(old, settings);
    const found = await this.#takeOvers.run(store, settings, legacy, old, credential, request);
    const verdict = judge(settings, store, credential, found.record);
    const cleared = clearFields(settings, request, legacy);
    if (verdict.kind === 'open') {
      const visit = this.#opened(request, transport, verdict);
      visit.answer.notes = cleared;
      if (found.kind === 'taken') visit.answer.issue(found.token, found.record.secretHash);
      // The answer with the new token may have been lost.
      else visit.rotationDue = !verdict.readOnly;
      return visit;
    }
    if (verdict.kind !== 'dead') return this.#decided(request, demand, transport, verdict);
    if (verdict.cause === undefined) limits?.count(request, 'failedTokens');
    const visit = verdict.cause === undefined ? otherwise() : this.#dead(request, demand, transport, verdict);
    return withFields(visit, cleared);
  }

  /** A fault is a refusal too, whatever it is: a visit that could not be judged is never let in. */
  #failed(request: VisitRequest, reading: Reading, fault: unknown): OpenVisit {
    const visit = new OpenVisit(this.#parts, request, 'hushed');
    const known = toSessionError(fault, 'opening the session failed');
    if (!isTold(known)) {
      const session = known.code === 'RECORD_CORRUPT' ? onlyId(reading) : undefined;
      this.#parts.store?.complain('opening a session failed', fault, { service: visit.service, session });
    }
    visit.refusal =
      visit.refuse(known) ?? refusal(this.#parts.settings, request, 'store_unavailable', { retryAfter: 1 });
    return visit;
  }

  /** Asks the store for what the tokens open. One round trip, none for ids that were made up. */
  #look(store: Store, credentials: readonly Credential[]): Promise<Verdict | 'ambiguous'> {
    const now = store.now();
    const [first] = credentials;
    if (credentials.length === 1 && first !== undefined && !isFromTheFuture(first, now)) {
      return store.load(first.id).then((record) => judge(this.#parts.settings, store, first, record));
    }
    const loads = credentials.map((credential) =>
      isFromTheFuture(credential, now) ? Promise.resolve(undefined) : store.load(credential.id),
    );
    return Promise.all(loads).then((records) =>
      choose(credentials.map((credential, i) => judge(this.#parts.settings, store, credential, records[i]))),
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
        if (demand.mode === 'required') return this.#refused(request, verdict.code, undefined, transport);
        return this.#hushed(request, demand, transport, verdict.code);
      case 'dead':
        return this.#dead(request, demand, transport, verdict);
    }
  }

  #opened(request: VisitRequest, transport: Transport, verdict: Verdict & { kind: 'open' }): OpenVisit {
    if (transport.ambient && this.#isCrossSite(request)) return this.#refused(request, 'cross_site');
    const store = this.#parts.store as Store;
    const { record, credential, by, readOnly } = verdict;
    const now = store.now();
    this.#levels.know(record);
    const visit = new OpenVisit(this.#parts, request, 'never');
    visit.opened(record, transport, readOnly);
    if (by === 'present') {
      if (firstSeen(record)) this.#noteSecretSeen(store, record);
      visit.rotationDue = this.#parts.rotations.isDue(record.id, now);
      if (transport.carrier.cookie !== undefined)
        visit.answer.shown(credential, record, store.seenAt(record), now);
    }
    store.touch(record.id, record.epoch, now);
    return visit;
  }

  /** The visit goes on without a session, and nothing but a login may give it one. */
  #hushed(request: VisitRequest, demand: Demand, transport: Transport, code: ClientCode): OpenVisit {
    const visit = this.#without(request, demand, 'hushed');
    visit.answer.refused = transport;
    visit.hushCode = code;
    return visit;
  }

  #dead(
    request: VisitRequest,
    demand: Demand,
    transport: Transport,
    verdict: Verdict & { kind: 'dead' },
  ): OpenVisit {
    const { settings } = this.#parts;
    if (verdict.cause === undefined) this.#parts.limits?.count(request, 'failedTokens');
    if (verdict.record !== undefined && verdict.record.ended === undefined && verdict.cause !== undefined) {
      void this.#parts.store?.bury(verdict.record);
    }
    if (settings.onDead === 'error') return this.#refused(request, verdict.code, undefined, transport, true);
    const visit = this.#without(request, demand, this.#plan(request));
    visit.answer.refused = transport;
    const { answer } = visit;
    if (verdict.cause !== undefined) answer.notes = [['session-ended', verdict.cause]];
    answer.headers = [...clearFields(settings, request, transport), ...answer.notes];
    if (visit.refusal !== undefined) {
      visit.refusal = {
        ...visit.refusal,
        headers: [...visit.refusal.headers, ...transport.clear(request), ...answer.notes],
      };
    }
    return visit;
  }

  /** Looked at only while it may still be given. */
  #hintOfProxy({ environment }: Store, request: VisitRequest): void {
    // Limits say it themselves, in production too.
    if (this.#parts.limits === undefined && request.untrustedProxy)
      hint(environment, 'untrusted_proxy', request.client().ip);
  }

  /** No session is open. */
  #without(request: VisitRequest, demand: Demand, plan: Plan): OpenVisit {
    if (this.#parts.settings.ambient && this.#isCrossSite(request))
      return this.#refused(request, 'cross_site');
    let uncount: (() => void) | undefined;
    if (plan === 'create') {
      const wait = this.#parts.limits?.over(request, 'creations');
      if (wait !== undefined) return this.#refused(request, 'too_many', wait);
      uncount = this.#parts.limits?.count(request, 'creations');
    }
    const visit = new OpenVisit(this.#parts, request, plan);
    visit.uncount = uncount;
    if (demand.mode === 'required' && plan !== 'create') {
      visit.refusal = missing(this.#parts.settings, request, demand.loginUrl);
    }
    return visit;
  }

  #refused(
    request: VisitRequest,
    code: ClientCode,
    retryAfter?: number,
    presented?: Transport,
    clear = false,
  ): OpenVisit {
    const visit = new OpenVisit(this.#parts, request, 'hushed');
    visit.refusal = refusal(this.#parts.settings, request, code, { retryAfter, presented, clear });
    return visit;
  }

  #plan(request: VisitRequest): Plan {
    const { autoCreate } = this.#parts.settings;
    if (autoCreate === false || request.upgrade) return 'never';
    if (request.method === 'HEAD' || request.method === 'OPTIONS') return 'never';
    return autoCreate === true ? 'create' : 'on_write';
  }

  #isCrossSite(request: VisitRequest): boolean {
    return isUnsafe(request) && isForeign(request, this.#parts.settings.allowOrigins);
  }

  /** The client holds the rotated secret now: the one before it gets its last 30 s. Not awaited; the next visit tries again. */
  #noteSecretSeen(store: Store, base: SessionRecord): void {
    const { secretHash } = base;
    store.lanes
      .submit({
        base,
        bound: true,
        closes: false,
        apply: (record, now) => withSecretSeen(record, secretHash, now),
      })
      .catch((error: unknown) =>
        store.environment.log({
          level: 'info',
          message: 'noting a rotated secret failed',
          service: base.service,
          session: base.id,
          error,
        }),
      );
  }
}

/** A store that is not there says so itself. */
function isTold({ code }: SessionError): boolean {
  return code === 'BACKEND_DOWN' || code === 'BACKEND_CLOSED';
}

/** The session that a request asks for, when it is one. */
function onlyId(reading: Reading): SessionId | undefined {
  if (reading.kind !== 'presented') return undefined;
  const [first, ...others] = reading.credentials;
  return others.length === 0 ? first?.id : undefined;
}

/** The fields go out with whatever the visit answers. */
function withFields(visit: OpenVisit, fields: readonly HeaderField[]): OpenVisit {
  const { answer, refusal } = visit;
  answer.headers = [...answer.headers, ...fields];
  answer.notes = [...answer.notes, ...fields];
  if (refusal !== undefined) visit.refusal = { ...refusal, headers: [...refusal.headers, ...fields] };
  return visit;
}
