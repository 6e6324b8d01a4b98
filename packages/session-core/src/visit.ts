import { VisitAnswer } from './answer.js';
import { HUSH, newRecord } from './changes.js';
import { checkName, type DataChange } from './data.js';
import { type Environment, processEnvironment } from './environment.js';
import { SessionError } from './errors.js';
import { hint, hintOfFile } from './hints.js';
import { createId, createSecret, hashSecret, toToken } from './id.js';
import { dataIntent, loginIntent, newLoginIntent, rotationIntent } from './intents.js';
import { Link } from './links.js';
import type { ClientCode } from './lists.js';
import { LiveSession, type SessionHost } from './live-session.js';
import { OwnSessions } from './own-sessions.js';
import { over, type Plan, type ServiceParts } from './parts.js';
import type { ClientInfo, SessionRecord } from './record.js';
import { headGone, nothingToChange, readOnly, refusalOf, tooManyCreated, unlessFault } from './refusal.js';
import type { AnswerHead, Refusal, Visit, VisitRequest } from './service.js';
import type { LoginOptions, Rotation } from './session.js';
import type { Store } from './store.js';
import type { HeaderField, Transport } from './transport.js';
import { TypedSession } from './typed-session.js';
import { claimSlot, endSurplus } from './user-slots.js';

const ID_TRIES = 3;

export class OpenVisit implements Visit, SessionHost {
  readonly session: LiveSession;
  readonly answer: VisitAnswer;
  record: SessionRecord | undefined;
  readOnly = false;
  rotationDue = false;
  refusal: Refusal | undefined;
  /** Why a hushed visit is one. */
  hushCode: ClientCode = 'session_superseded';
  onPending: (() => void) | undefined;
  headSent: (() => boolean) | undefined;
  /** The session that it is to create counts against a limit, until this is called. */
  uncount: (() => void) | undefined;
  readonly #parts: ServiceParts;
  readonly #request: VisitRequest;
  #plan: Plan;
  /** Of a record that is not stored yet. */
  #secret = '';
  #changes: DataChange[] = [];
  #link: Link | undefined;
  #headSent = false;
  #closed = false;
  /** Verbs under way: an answer waits for them, awaited or not. */
  #busy = 0;
  #serial: Promise<unknown> | undefined;

  constructor(parts: ServiceParts, request: VisitRequest, plan: Plan) {
    this.#parts = parts;
    this.#request = request;
    this.#plan = plan;
    const { data } = parts.settings;
    this.session = data === undefined ? new LiveSession(this) : new TypedSession(this, data);
    this.answer = new VisitAnswer(parts, request);
    if (plan === 'create') this.#draw();
  }

  get service(): string {
    return this.#parts.settings.name;
  }

  get headers(): readonly HeaderField[] {
    return this.answer.headers;
  }

  get pending(): boolean {
    return (
      this.#changes.length > 0 ||
      this.answer.pending ||
      this.#busy > 0 ||
      this.rotationDue ||
      (this.#plan === 'create' && this.record?.version === 0)
    );
  }

  get signal(): AbortSignal {
    if (this.#link === undefined) {
      this.#link = new Link();
      if (this.record !== undefined && this.record.version > 0) this.#attach(this.record);
    }
    return this.#link.signal;
  }

  get environment(): Pick<Environment, 'log'> {
    return this.#parts.store?.environment ?? processEnvironment;
  }

  get #store(): Store {
    const { store, settings } = this.#parts;
    if (store !== undefined) return store;
    throw new SessionError('UNSUPPORTED', `service "${settings.name}" is stateless: it has no session`);
  }

  /** The visit opens a stored session. */
  opened(record: SessionRecord, transport: Transport, readOnly: boolean): void {
    this.record = record;
    this.readOnly = readOnly;
    this.answer.transport = transport;
  }

  clientInfo(): ClientInfo {
    return this.#request.client();
  }

  own(): OwnSessions {
    return new OwnSessions(this.#store, this.#parts.settings, this.record, this.readOnly);
  }

  change(change: DataChange): void {
    if (this.readOnly) throw readOnly();
    if (this.record === undefined) this.#begin();
    else if (this.record.version === 0) this.#requireHead('creating a session');
    this.#note(() => this.#changes.push(change));
  }

  login(user: string, options: LoginOptions): Promise<void> {
    return this.#inTurn(async () => {
      checkName('the user', user);
      const store = this.#store;
      if (this.#plan === 'none') {
        throw new SessionError(
          'UNSUPPORTED',
          'the rule of this path says that it has no session; log in elsewhere',
        );
      }
      this.#requireHead('a login');
      const { record } = this;
      if (record === undefined || (record.user !== undefined && record.user !== user)) {
        return this.#loginAnew(user, undefined, options);
      }
      const { settings } = this.#parts;
      const surplus = await claimSlot(store, settings, record, user);
      const secret = createSecret(store.environment);
      const hash = hashSecret(secret);
      const changes = this.#changes.splice(0);
      let stored: SessionRecord;
      try {
        if (changes.length > 0) this.session.verify();
        const login = { user, hash, keep: options.keep };
        stored = await store.lanes.submit(loginIntent(record, changes, login, settings));
      } catch (error) {
        this.#changes.unshift(...changes);
        if (error instanceof SessionError && error.code === 'CONFLICT') {
          // Somebody logged in or out of it meanwhile. A login is never refused for that: it begins anew.
          return this.#loginAnew(user, record, options);
        }
        if (record.version === 0) this.#draw();
        throw error;
      }
      this.#stored(stored);
      this.readOnly = false;
      this.answer.issue(toToken(stored.id, secret));
      store.links.confirm(stored.id, stored, store.now());
      await endSurplus(store, settings, surplus, user);
    });
  }

  logout(): Promise<void> {
    return this.#inTurn(async () => {
      const { record } = this;
      this.#changes = [];
      this.#plan = 'never';
      let ours = true;
      if (record !== undefined && record.version > 0) {
        const store = this.#store;
        await store.lanes.idle(record.id);
        const stored = await store.load(record.id);
        // After another login it is that user's session; this client shows a token that is superseded.
        ours = stored === undefined || stored.epoch === record.epoch;
        this.#unlink();
        if (ours) await store.end([record.id], 'logout', record.user, this.#parts.settings.keepEnded);
      }
      this.record = undefined;
      this.readOnly = false;
      this.rotationDue = false;
      this.session.forget();
      if (ours) this.answer.clear();
      else this.answer.hush();
    });
  }

  rotate(): Promise<Rotation> {
    return this.#inTurn(async () => {
      const { record } = this;
      this.rotationDue = false;
      if (record === undefined || record.version === 0) return 'unchanged';
      this.#requireHead('a rotation');
      if (this.readOnly) throw readOnly();
      const { settings, rotations } = this.#parts;
      const secret = createSecret(this.#store.environment);
      const hash = hashSecret(secret);
      const changes = this.#changes.splice(0);
      let outcome = 'unchanged' as Rotation;
      try {
        if (changes.length > 0) this.session.verify();
        const intent = rotationIntent(record, changes, hash, settings, (told) => {
          outcome = told;
        });
        const stored = await this.#store.lanes.submit(intent);
        this.#stored(stored);
      } catch (error) {
        this.#changes.unshift(...changes);
        throw error;
      }
      if (outcome === 'rotated') {
        rotations.done(record.id);
        this.answer.issue(toToken(record.id, secret), hash);
      } else if (outcome === 'waiting') {
        rotations.later(record.id, (record.authenticatedAt ?? record.secretAt) + HUSH);
      }
      return outcome;
    });
  }

  commit(): Promise<void> {
    return this.#inTurn(() => this.#save());
  }

  async finish(head: AnswerHead | undefined): Promise<readonly HeaderField[]> {
    if (head === undefined || this.#headSent) {
      this.#headSent = true;
      await this.commit();
      return [];
    }
    // Asked for earlier, by another visit: this one must not fail for it.
    if (this.rotationDue) await this.rotate().catch(unlessFault);
    const shared = /(?:^|[,\s])(?:public|s-maxage)\b/i.test(head.cacheControl ?? '');
    if (this.#plan === 'create' && shared && this.#changes.length === 0 && this.record?.version === 0) {
      this.record = undefined;
      this.uncount?.();
    }
    await this.commit();
    this.#headSent = true;
    return this.answer.take(this.#parts.store, this.record, shared);
  }

  refuse(fault: unknown): Refusal | undefined {
    return refusalOf(this.#parts.settings, this.#request, fault);
  }

  used(): void {
    const { record } = this;
    const { store } = this.#parts;
    if (store === undefined || record === undefined || record.version === 0) return;
    const now = store.now();
    this.answer.used(record, now);
    store.touch(record.id, record.epoch, now);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#changes.length > 0 && this.#isHeadGone()) hint(this.environment, 'late_change');
    this.answer.close();
    this.#unlink();
    if (this.#serial === undefined) over(this.#parts);
    else void this.#serial.then(() => over(this.#parts));
  }

  /** Stores the changes so far, and a session that is to be created. */
  async #save(): Promise<void> {
    const { record } = this;
    if (record === undefined) return;
    const create = record.version === 0 && (this.#plan === 'create' || this.#changes.length > 0);
    if (this.#changes.length === 0 && !create) return;
    if (create) this.#requireHead('creating a session');
    if (create && this.#changes.length === 0) hintOfFile(this.environment, this.#request);
    const changes = this.#changes.splice(0);
    try {
      if (changes.length > 0) this.session.verify();
      this.#stored(
        create
          ? await this.#create(record, changes)
          : await this.#store.lanes.submit(dataIntent(record, changes, this.#parts.settings)),
      );
    } catch (error) {
      // Whoever asked is told, and sees the session as it is stored. An id whose first save failed is never used again.
      if (record.version === 0) this.#draw();
      this.session.forget();
      throw error;
    }
  }

  /** Stores version 1. An id that is taken is drawn anew. */
  async #create(first: SessionRecord, changes: readonly DataChange[]): Promise<SessionRecord> {
    let record = first;
    for (let tries = 1; ; tries++) {
      try {
        const stored = await this.#store.lanes.submit(dataIntent(record, changes, this.#parts.settings));
        this.answer.issue(toToken(stored.id, this.#secret));
        return stored;
      } catch (error) {
        if (!(error instanceof SessionError) || error.code !== 'CONFLICT' || tries === ID_TRIES) throw error;
        const store = this.#store;
        record = { ...record, id: createId(store.environment, store.now()) };
      }
    }
  }

  /** A login under a new id, with the data of `from`. Another user's session before it ends when the new one is stored. */
  async #loginAnew(user: string, from: SessionRecord | undefined, options: LoginOptions): Promise<void> {
    const { settings } = this.#parts;
    const store = this.#store;
    await store.starting;
    const old = this.record?.user === undefined || this.record.version === 0 ? undefined : this.record;
    const secret = createSecret(store.environment);
    const blank = this.#blank(hashSecret(secret));
    const surplus = await claimSlot(store, settings, blank, user);
    const changes = this.#changes.splice(0);
    const login = { user, hash: blank.secretHash, keep: options.keep };
    const stored = await store.lanes.submit(newLoginIntent(blank, from, changes, login, settings));
    if (old !== undefined && old.user !== user) {
      this.#unlink();
      try {
        await store.end([old.id], 'replaced', user, settings.keepEnded);
      } catch (error) {
        // The new token is not handed out, so the client keeps the old session: the new one must not live on unseen.
        store.endSurely([blank.id], 'replaced');
        throw error;
      }
    }
    this.#stored(stored);
    this.readOnly = false;
    this.answer.issue(toToken(blank.id, secret));
    await endSurplus(store, settings, surplus, user);
  }

  /** The record under this visit is a newer one. */
  #stored(record: SessionRecord): void {
    if (record.idle !== this.record?.idle) this.answer.retimed(record, this.#isHeadGone());
    this.record = record;
    this.#attach(record);
    if (this.#changes.length === 0) this.session.forget();
  }

  #attach(record: SessionRecord): void {
    if (this.#link !== undefined && !this.#closed) this.#store.links.attach(this.#link, record);
  }

  /** The first change of a visit without a session. */
  #begin(): void {
    // A stateless service has its own words for it.
    void this.#store;
    if (this.#plan !== 'on_write') throw nothingToChange(this.#plan === 'hushed' ? this.hushCode : undefined);
    this.#requireHead('creating a session');
    const { limits } = this.#parts;
    if (limits?.over(this.#request, 'creations') !== undefined) throw tooManyCreated();
    limits?.count(this.#request, 'creations');
    this.#draw();
  }

  /** A record for a session to come. */
  #draw(): void {
    this.#secret = createSecret(this.#store.environment);
    this.record = this.#blank(hashSecret(this.#secret));
  }

  #blank(secretHash: string): SessionRecord {
    const { group, times, data } = this.#parts.settings;
    const store = this.#store;
    const now = store.now();
    const id = createId(store.environment, now);
    return newRecord(id, group, secretHash, this.clientInfo(), times, now, data?.version);
  }

  #isHeadGone(): boolean {
    return this.#headSent || this.headSent?.() === true;
  }

  #requireHead(what: string): void {
    if (this.#isHeadGone()) throw headGone(what);
  }

  #unlink(): void {
    if (this.#link !== undefined) this.#parts.store?.links.remove(this.#link);
  }

  /** Runs something that may make the visit pending, and tells so once. */
  #note(step: () => unknown): void {
    const before = this.pending;
    step();
    if (!before && this.pending) this.onPending?.();
  }

  /** Verbs of one visit run one after the other; the answer waits for them. */
  async #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    this.#note(() => this.#busy++);
    const turn = this.#serial === undefined ? verb() : this.#serial.then(verb, verb);
    this.#serial = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#busy--;
    }
  }
}
