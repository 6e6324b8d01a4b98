import { clearFields, issueFields } from './answer.js';
import { HUSH, newRecord, withData, withLogin, withRotation } from './changes.js';
import { applyChange, checkName, type DataChange, EMPTY_DATA } from './data.js';
import { SessionError } from './errors.js';
import { createId, createSecret, hashSecret, type Token, toToken } from './id.js';
import type { Limits } from './limits.js';
import { Link } from './links.js';
import { LiveSession, type SessionHost } from './live-session.js';
import type { ClientInfo, SessionRecord } from './record.js';
import { refusalOf } from './refusal.js';
import type { Rotations } from './rotations.js';
import type { AnswerHead, Refusal, Visit, VisitRequest } from './service.js';
import type { LoginOptions, Rotation } from './session.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { HeaderField, Transport } from './transport.js';
import { claimSlot, endSurplus } from './user-slots.js';

/** What a visit shares with all others of its service. */
export interface ServiceParts {
  readonly settings: Settings;
  /** Undefined when the service is stateless. */
  readonly store: Store | undefined;
  readonly limits: Limits | undefined;
  readonly rotations: Rotations;
}

/**
 * What may come of a visit that has no stored session: `create` at the answer, `on_write` when something is set, `never` (only a login can), or
 * `hushed` (the client shows a token that was replaced a moment ago: nothing may overwrite what it is about to learn).
 */
export type Plan = 'create' | 'on_write' | 'never' | 'hushed';

const ID_TRIES = 3;

export class OpenVisit implements Visit, SessionHost {
  readonly session: LiveSession;
  record: SessionRecord | undefined;
  readOnly = false;
  refusal: Refusal | undefined;
  headers: readonly HeaderField[] = [];
  /** Said beside whatever token the answer hands out. */
  notes: readonly HeaderField[] = [];
  onPending: (() => void) | undefined;
  headSent: (() => boolean) | undefined;
  readonly #parts: ServiceParts;
  readonly #request: VisitRequest;
  #plan: Plan;
  /** Of a record that is not stored yet. */
  #secret = '';
  /** That carried the token; answers travel the same way. */
  #transport: Transport | undefined;
  #issued: Token | undefined;
  #cleared = false;
  #headSent = false;
  #rotationDue = false;
  #changes: DataChange[] = [];
  #link: Link | undefined;
  #serial: Promise<unknown> | undefined;

  constructor(parts: ServiceParts, request: VisitRequest, plan: Plan) {
    this.#parts = parts;
    this.#request = request;
    this.#plan = plan;
    this.session = new LiveSession(this);
    if (plan === 'create') this.#draw();
  }

  get service(): string {
    return this.#parts.settings.name;
  }

  get pending(): boolean {
    return (
      this.#changes.length > 0 ||
      this.#issued !== undefined ||
      this.#cleared ||
      this.#rotationDue ||
      (this.#plan === 'create' && this.record?.version === 0)
    );
  }

  get signal(): AbortSignal {
    if (this.#link === undefined) {
      if (this.record === undefined) return new AbortController().signal;
      this.#link = new Link(this.record);
      if (this.record.version > 0) this.#store.links.add(this.#link);
    }
    return this.#link.signal;
  }

  get #store(): Store {
    const { store, settings } = this.#parts;
    if (store !== undefined) return store;
    throw new SessionError('UNSUPPORTED', `service "${settings.name}" is stateless: it has no session`);
  }

  /** The visit opens a stored session. */
  opened(
    record: SessionRecord,
    transport: Transport,
    how: { readOnly: boolean; rotationDue: boolean },
  ): void {
    this.record = record;
    this.#transport = transport;
    this.readOnly = how.readOnly;
    this.#rotationDue = how.rotationDue;
  }

  clientInfo(): ClientInfo {
    return this.#request.client();
  }

  change(change: DataChange): void {
    if (this.readOnly) {
      throw new SessionError(
        'SESSION_READ_ONLY',
        'the token of this visit was rotated; it may only read by now',
      );
    }
    if (this.record === undefined) {
      if (this.#parts.store === undefined) this.#store.now();
      if (this.#plan !== 'on_write') throw this.#nothingToChange();
      this.#requireHead('creating a session');
      this.#draw();
    } else if (this.record.version === 0) {
      this.#requireHead('creating a session');
    }
    this.#note(() => this.#changes.push(change));
  }

  login(user: string, options: LoginOptions): Promise<void> {
    return this.#inTurn(async () => {
      checkName('the user', user);
      this.#requireHead('a login');
      const store = this.#store;
      const { record } = this;
      const secret = createSecret(store.environment);
      const hash = hashSecret(secret);
      if (record === undefined || (record.user !== undefined && record.user !== user)) {
        return this.#loginAnew(user, secret, EMPTY_DATA, options);
      }
      const { settings } = this.#parts;
      const changes = this.#changes.splice(0);
      const surplus = await claimSlot(store, settings, record, user);
      let stored: SessionRecord;
      try {
        stored = await store.lanes.submit({
          base: record,
          bound: true,
          closes: true,
          apply: (base, now) => {
            const changed = withData(base, changes, settings.times, settings.maxData);
            return withLogin(changed, user, hash, options.keep, settings.times, now);
          },
        });
      } catch (error) {
        if (!(error instanceof SessionError) || error.code !== 'CONFLICT') throw error;
        // Somebody logged in or out of it meanwhile. A login is never refused for that: it begins anew.
        const data = changes.reduce(applyChange, record.data);
        return this.#loginAnew(user, secret, data, options);
      }
      this.#stored(stored, secret);
      store.links.confirm(stored.id, stored, store.now());
      await endSurplus(store, settings, surplus, user);
    });
  }

  logout(): Promise<void> {
    return this.#inTurn(async () => {
      const { record } = this;
      this.#changes = [];
      this.#plan = 'never';
      if (record !== undefined && record.version > 0) {
        await this.#store.lanes.idle(record.id);
        this.#unlink();
        await this.#store.end([record.id], 'logout', record.user, this.#parts.settings.keepEnded);
      }
      this.record = undefined;
      this.readOnly = false;
      this.#issued = undefined;
      this.#rotationDue = false;
      this.session.forget();
      if (this.#transport !== undefined) this.#note(() => (this.#cleared = true));
    });
  }

  rotate(): Promise<Rotation> {
    return this.#inTurn(async () => {
      const { record } = this;
      this.#rotationDue = false;
      if (record === undefined || record.version === 0) return 'unchanged';
      this.#requireHead('a rotation');
      if (this.readOnly) throw new SessionError('SESSION_READ_ONLY', 'a rotated token may not rotate again');
      const { settings, rotations } = this.#parts;
      const secret = createSecret(this.#store.environment);
      const hash = hashSecret(secret);
      const changes = this.#changes.splice(0);
      let outcome = 'unchanged' as Rotation;
      const stored = await this.#store.lanes.submit({
        base: record,
        bound: true,
        closes: true,
        apply: (base, now) => {
          const changed = withData(base, changes, settings.times, settings.maxData);
          const rotated = withRotation(changed, hash, now);
          outcome = typeof rotated === 'string' ? rotated : 'rotated';
          return typeof rotated === 'string' ? changed : rotated;
        },
      });
      this.#stored(stored, outcome === 'rotated' ? secret : undefined);
      if (outcome === 'waiting') rotations.later(stored.id, stored.secretAt + HUSH);
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
    if (this.#rotationDue) await this.rotate();
    const shared = /(?:^|[,\s])(?:public|s-maxage)\b/i.test(head.cacheControl ?? '');
    if (this.#plan === 'create' && shared && this.#changes.length === 0 && this.record?.version === 0) {
      this.record = undefined;
    }
    await this.commit();
    this.#headSent = true;
    const fields = this.#answer();
    this.#issued = undefined;
    this.#cleared = false;
    return fields;
  }

  refuse(fault: unknown): Refusal | undefined {
    return refusalOf(this.#parts.settings, this.#request, fault);
  }

  close(): void {
    this.#unlink();
  }

  #answer(): readonly HeaderField[] {
    const { record } = this;
    const transport = this.#transport ?? this.#parts.settings.transports[0];
    if (transport === undefined) return [];
    if (this.#issued !== undefined && record !== undefined) {
      return [...issueFields(this.#parts, this.#request, transport, this.#issued, record), ...this.notes];
    }
    return this.#cleared ? clearFields(this.#parts, this.#request, transport) : this.headers;
  }

  /** Stores the changes so far, and a session that is to be created. */
  async #save(): Promise<void> {
    const { record } = this;
    if (record === undefined) return;
    const create = record.version === 0 && (this.#plan === 'create' || this.#changes.length > 0);
    if (this.#changes.length === 0 && !create) return;
    if (create) this.#requireHead('creating a session');
    const changes = this.#changes.splice(0);
    this.#stored(create ? await this.#create(record, changes) : await this.#submit(record, changes));
  }

  #submit(base: SessionRecord, changes: readonly DataChange[]): Promise<SessionRecord> {
    const { times, maxData } = this.#parts.settings;
    return this.#store.lanes.submit({
      base,
      bound: true,
      closes: false,
      apply: (record) => withData(record, changes, times, maxData),
    });
  }

  /** Stores version 1. An id that is taken is drawn anew; one whose save failed is never used again. */
  async #create(first: SessionRecord, changes: readonly DataChange[]): Promise<SessionRecord> {
    let record = first;
    for (let tries = 1; ; tries++) {
      try {
        const stored = await this.#submit(record, changes);
        this.#parts.limits?.count(this.#request, 'creations');
        this.#issued = toToken(stored.id, this.#secret);
        return stored;
      } catch (error) {
        this.record = undefined;
        if (!(error instanceof SessionError) || error.code !== 'CONFLICT' || tries === ID_TRIES) throw error;
        const { environment } = this.#store;
        record = { ...record, id: createId(environment, this.#store.now()) };
      }
    }
  }

  /** A login under a new id. The session before it, if there is one, ends when the new one is stored. */
  async #loginAnew(user: string, secret: string, data: string, options: LoginOptions): Promise<void> {
    const { settings } = this.#parts;
    const store = this.#store;
    const old = this.record?.user === undefined || this.record.version === 0 ? undefined : this.record;
    const now = store.now();
    const id = createId(store.environment, now);
    const hash = hashSecret(secret);
    const blank = newRecord(id, settings.group, hash, this.clientInfo(), settings.times, now);
    const surplus = await claimSlot(store, settings, blank, user);
    const stored = await store.lanes.submit({
      base: { ...blank, data },
      bound: true,
      closes: true,
      apply: (base) => withLogin(base, user, hash, options.keep, settings.times, now),
    });
    if (old !== undefined && old.user !== user) {
      this.#unlink();
      try {
        await store.end([old.id], 'replaced', user, settings.keepEnded);
      } catch (error) {
        // The new token is not handed out, so the client keeps the old session: the new one must not live on unseen.
        store.abandon(id);
        throw error;
      }
    }
    this.#changes = [];
    this.readOnly = false;
    this.#stored(stored, secret);
    await endSurplus(store, settings, surplus, user);
  }

  /** The record under this visit is a newer one; `secret` is to be handed out. */
  #stored(record: SessionRecord, secret?: string): void {
    const moved = this.record !== undefined && this.record.id !== record.id;
    this.record = record;
    if (this.#link !== undefined) {
      if (moved) this.#store.links.remove(this.#link);
      this.#link.record = record;
      this.#store.links.add(this.#link);
    }
    if (this.#changes.length === 0) this.session.forget();
    if (secret !== undefined) this.#note(() => (this.#issued = toToken(record.id, secret)));
  }

  /** A record for a session to come. */
  #draw(): void {
    const store = this.#store;
    const now = store.now();
    this.#secret = createSecret(store.environment);
    const id = createId(store.environment, now);
    const { group, times } = this.#parts.settings;
    this.record = newRecord(id, group, hashSecret(this.#secret), this.clientInfo(), times, now);
  }

  #requireHead(what: string): void {
    if (this.#headSent || this.headSent?.() === true) {
      throw new SessionError(
        'HEADERS_SENT',
        `${what} needs a header of an answer whose head has gone out already`,
      );
    }
  }

  #nothingToChange(): SessionError {
    if (this.#plan === 'never') {
      return new SessionError(
        'SESSION_READ_ONLY',
        'there is no session, and this request creates none: autoCreate is off, or it is a HEAD, OPTIONS or upgrade request',
        { clientCode: 'session_required' },
      );
    }
    return new SessionError(
      'SESSION_READ_ONLY',
      'the token was replaced a moment ago; nothing can be set with it',
      {
        clientCode: 'session_superseded',
      },
    );
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

  /** Verbs of one visit run one after the other. */
  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const turn = this.#serial === undefined ? verb() : this.#serial.then(verb, verb);
    this.#serial = turn.catch(() => undefined);
    return turn;
  }
}
