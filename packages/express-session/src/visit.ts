import type { IncomingMessage } from 'node:http';
import {
  type AnswerHead,
  type HeaderField,
  type Refusal,
  type Service,
  SessionError,
  type Visit,
  type VisitRequest,
} from '@sessionkit/session-core';
import { SessionCookie } from './cookie.js';
import { dataOf, ExpressSession, isData, type Verbs } from './session.js';
import type { UserOf } from './user.js';
import { withoutTokens } from './view.js';

/** What a visit needs to know of its request and service. */
export interface VisitParts {
  readonly service: Service;
  readonly request: IncomingMessage;
  readonly view: VisitRequest;
  readonly userOf: UserOf;
}

/**
 * A visit whose session is `req.session` as express-session has it. What the application did to that object is found by comparing, key by key, when the answer is about to go out.
 */
export class ExpressVisit implements Visit, Verbs {
  readonly service: string;
  onPending: (() => void) | undefined;
  readonly #parts: VisitParts;
  #visit: Visit;
  /** The first whose session was ended by this request: its answer takes the cookie back. */
  #left: Visit | undefined;
  #headSent: (() => boolean) | undefined;
  /** Somebody has asked for `req.session`. */
  #touched = false;
  /** JSON of each key as the visit has it. */
  #known = new Map<string, string>();
  /** Who was logged in by the data, as the visit has it. */
  #user: string | undefined;
  /** `regenerate` was called, and nothing was stored since. */
  #renewed = false;
  /** The token of the request is not that of the session any more. */
  #handedOut = false;
  #destroyed: 'no' | 'asked' | 'done' = 'no';
  #finished = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(visit: Visit, parts: VisitParts) {
    this.service = visit.service;
    this.#visit = visit;
    this.#parts = parts;
    visit.onPending = () => this.onPending?.();
  }

  /** Gives the request its `session` and `sessionID`. Nothing is read before somebody asks. */
  install(): void {
    const { request } = this.#parts;
    const common = { configurable: true, enumerable: true };
    Object.defineProperty(request, 'sessionID', { ...common, get: () => this.id });
    Object.defineProperty(request, 'session', {
      ...common,
      get: () => this.#read(),
      set: (value: unknown) => this.#put(value),
    });
  }

  get session(): Visit['session'] {
    return this.#visit.session;
  }

  get refusal(): Refusal | undefined {
    return this.#visit.refusal;
  }

  get headers(): readonly HeaderField[] {
    return this.#visit.headers;
  }

  get headSent(): (() => boolean) | undefined {
    return this.#headSent;
  }

  set headSent(headSent: (() => boolean) | undefined) {
    this.#headSent = headSent;
    this.#visit.headSent = headSent;
  }

  get pending(): boolean {
    return this.#visit.pending || (this.#touched && (!this.#finished || this.#isChanged()));
  }

  async finish(head: AnswerHead | undefined): Promise<readonly HeaderField[]> {
    if (this.#touched) await this.#inTurn(() => this.#settle(true));
    this.#finished = true;
    const fields = await this.#visit.finish(head);
    if (this.#left === undefined) return fields;
    const cleared = await this.#left.finish(head);
    const { id, isNew } = this.#visit.session;
    return id === undefined || isNew ? [...fields, ...cleared] : fields;
  }

  refuse(...fault: Parameters<Visit['refuse']>): Refusal | undefined {
    return this.#visit.refuse(...fault);
  }

  used(): void {
    this.#visit.used();
  }

  close(): void {
    this.#visit.close();
    this.#left?.close();
  }

  get id(): string | undefined {
    if (this.#renewed || this.#destroyed !== 'no') return undefined;
    if (this.#visit.session.id === undefined && this.#touched) this.#push();
    return this.#visit.session.id;
  }

  save(): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#known;
      try {
        await this.#settle(false);
        if (!this.#waits) await this.#visit.session.commit();
      } catch (error) {
        // Nothing of it is stored: the answer tries again.
        this.#known = known;
        throw error;
      }
    });
  }

  regenerate(): Promise<void> {
    return this.#inTurn(async () => {
      this.#renewed = true;
      this.#put(new ExpressSession(this, this.#parts.request, new SessionCookie(this.#visit.session), {}));
    });
  }

  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const { id, isNew } = this.#visit.session;
      if (this.#renewed || id === undefined || isNew) throw new Error('failed to load session');
      if (!this.#handedOut) {
        const { service, view } = this.#parts;
        const again = await service.open(view);
        if (again.refusal !== undefined || again.session.id === undefined) {
          again.close();
          throw new Error(`failed to load session: ${again.refusal?.detail ?? 'it has ended'}`);
        }
        this.#visit.close();
        this.#goOnWith(again);
      }
      this.#put(this.#made());
    });
  }

  destroy(): Promise<void> {
    this.#destroyed = 'asked';
    this.#put(undefined);
    return this.#inTurn(() => this.#settle(false));
  }

  touch(): void {
    this.#visit.used();
  }

  #read(): ExpressSession {
    const session = this.#made();
    this.#put(session);
    return session;
  }

  /** `req.session` of what is stored. */
  #made(): ExpressSession {
    const { request, userOf } = this.#parts;
    const { session } = this.#visit;
    const data = JSON.parse(session.text) as Record<string, unknown>;
    this.#known = new Map();
    for (const key of Object.keys(data)) if (isData(key)) this.#known.set(key, JSON.stringify(data[key]));
    this.#user = userOf(data);
    return new ExpressSession(this, request, new SessionCookie(session), data);
  }

  #put(value: unknown): void {
    const { request } = this.#parts;
    Object.defineProperty(request, 'session', {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
    if (this.#touched) return;
    this.#touched = true;
    this.onPending?.();
  }

  /** Undefined when the application has taken it away; then the session stays as it is stored. */
  get #present(): ExpressSession | undefined {
    const { session } = this.#parts.request as { session?: unknown };
    return session instanceof ExpressSession ? session : undefined;
  }

  /** A session that takes the place of one that was ended: nobody can have its token before the answer, which stores it. */
  get #waits(): boolean {
    const { id, isNew } = this.#visit.session;
    return this.#left !== undefined && (id === undefined || isNew);
  }

  #isChanged(): boolean {
    if (this.#destroyed === 'asked' || this.#renewed) return true;
    const session = this.#present;
    if (session === undefined) return false;
    if (session.cookie?.changed === true && this.#visit.session.id !== undefined) return true;
    let count = 0;
    for (const key of Object.keys(session)) {
      if (key === 'cookie' || isNothing(session[key])) continue;
      if (this.#known.get(key) !== textOf(session[key])) return true;
      count++;
    }
    return count !== this.#known.size;
  }

  /** Hands what was done to `req.session` to the visit. */
  async #settle(last: boolean): Promise<void> {
    if (this.#destroyed !== 'no') {
      if (this.#destroyed === 'asked') await this.#visit.session.logout();
      this.#destroyed = 'done';
      return;
    }
    const session = this.#present;
    if (session === undefined) {
      const { session: other } = this.#parts.request as { session?: unknown };
      if (other === undefined || other === null) return;
      throw new SessionError('INVALID_VALUE', 'req.session is no session: use its members, or regenerate()');
    }
    const user = this.#parts.userOf(dataOf(session));
    if (this.#renewed || user !== this.#user) {
      if (user === undefined) await this.#leave();
      else await this.#enter(user, session);
      this.#renewed = false;
      this.#user = user;
    }
    if (!last && this.#waits) return;
    this.#push();
    if (session.cookie instanceof SessionCookie) session.cookie.apply(this.#visit.session);
  }

  /** Somebody is logged in: a new secret, whatever else happens. */
  async #enter(user: string, session: ExpressSession): Promise<void> {
    const { session: ours } = this.#visit;
    if (ours.user === undefined || ours.user === user) {
      this.#push();
      await ours.login(user, this.#renewed ? { keep: Object.keys(dataOf(session)) } : {});
    } else {
      await ours.login(user);
      this.#known = new Map();
    }
    this.#handedOut = true;
  }

  /** Nobody is logged in any more, or all is to begin anew: the session ends, and what data there is goes into another one. */
  async #leave(): Promise<void> {
    const visit = this.#visit;
    if (visit.session.id === undefined || visit.session.isNew) return;
    await visit.session.logout();
    const { service, view } = this.#parts;
    const blank = await service.open(withoutTokens(view, service.options.transports ?? []));
    if (this.#left === undefined) this.#left = visit;
    else visit.close();
    this.#goOnWith(blank);
    this.#handedOut = true;
    this.#known = new Map();
  }

  #goOnWith(visit: Visit): void {
    this.#visit = visit;
    visit.headSent = this.#headSent;
    visit.onPending = () => this.onPending?.();
  }

  #push(): void {
    const session = this.#present;
    if (session === undefined) return;
    const { session: ours } = this.#visit;
    const known = new Map<string, string>();
    try {
      for (const key of Object.keys(session)) {
        if (key === 'cookie') continue;
        const value = session[key];
        if (isNothing(value)) continue;
        const json = textOf(value);
        if (json === undefined || this.#known.get(key) !== json) ours.set(key, value);
        if (json !== undefined) known.set(key, json);
      }
      for (const key of this.#known.keys()) if (!known.has(key)) ours.delete(key);
    } catch (error) {
      if (this.#createsNothing(error)) return;
      throw error;
    }
    this.#known = known;
  }

  /** What answers HEAD is written for GET: a session that such a request does not begin is no failure of it. */
  #createsNothing(error: unknown): boolean {
    const { method } = this.#parts.view;
    if (method !== 'HEAD' && method !== 'OPTIONS') return false;
    return error instanceof SessionError && error.clientCode === 'session_required';
  }

  /** The verbs of a request run one after the other, and its answer waits for them. */
  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(verb);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** What JSON leaves out of an object. */
function isNothing(value: unknown): boolean {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol';
}

/** Undefined for what JSON does not know, and for what it refuses: the session itself says why. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
