import {
  applyChange,
  checkName,
  type DataChange,
  EMPTY_DATA,
  type KeyChange,
  keysOf,
  mergePatch,
  normaliseData,
  parseFrozen,
  readKey,
  toJson,
} from './data.js';
import type { Environment, Millis } from './environment.js';
import { SessionError } from './errors.js';
import { hintOfLoss, wants } from './hints.js';
import type { SessionId } from './id.js';
import type { OwnSessions } from './own-sessions.js';
import type { ClientInfo, SessionRecord } from './record.js';
import type { LoginOptions, OwnSession, Rotation, Session } from './session.js';

/** What a session needs of the visit that it belongs to. */
export interface SessionHost {
  /** The record as this visit knows it; version 0 while nothing is stored. */
  readonly record: SessionRecord | undefined;
  readonly readOnly: boolean;
  readonly signal: AbortSignal;
  readonly environment: Pick<Environment, 'log'>;
  /** Those of its user. Throws when it has none. */
  own(): OwnSessions;
  clientInfo(): ClientInfo;
  /** Takes a change to be stored. Throws when nothing can be. */
  change(change: DataChange): void;
  login(user: string, options: LoginOptions): Promise<void>;
  logout(): Promise<void>;
  rotate(): Promise<Rotation>;
  commit(): Promise<void>;
}

/** The handler's view: local data with the changes so far, and verbs that the visit carries out. */
export class LiveSession implements Session {
  readonly #host: SessionHost;
  /** Data with the changes of this visit; undefined until somebody looks or changes. */
  #text: string | undefined;
  /** Set by this visit. */
  #idle: Millis | undefined;

  constructor(host: SessionHost) {
    this.#host = host;
  }

  get id(): SessionId | undefined {
    return this.#host.record?.id;
  }

  get user(): string | undefined {
    return this.#host.record?.user;
  }

  get isNew(): boolean {
    return this.#host.record?.version === 0;
  }

  get readOnly(): boolean {
    return this.#host.readOnly;
  }

  get startedAt(): Millis | undefined {
    return this.#host.record?.startedAt;
  }

  get authenticatedAt(): Millis | undefined {
    return this.#host.record?.authenticatedAt;
  }

  get endsAt(): Millis | undefined {
    return this.#host.record?.endsAt;
  }

  get client(): ClientInfo {
    return this.#host.record?.client ?? this.#host.clientInfo();
  }

  get text(): string {
    this.#text ??= this.textOf(this.#host.record);
    return this.#text;
  }

  get idleTimeout(): Millis | undefined {
    return this.#idle ?? this.#host.record?.idle;
  }

  set idleTimeout(idle: Millis | undefined) {
    if (idle === undefined || !Number.isFinite(idle) || idle < 1) {
      throw new SessionError(
        'INVALID_VALUE',
        `idleTimeout must be a number of milliseconds, at least 1, not ${String(idle)}`,
      );
    }
    const whole = Math.floor(idle);
    this.#host.change({ kind: 'idle', idle: whole });
    this.#idle = whole;
  }

  get signal(): AbortSignal {
    return this.#host.signal;
  }

  get<T = unknown>(key: string): T | undefined {
    const json = readKey(this.text, key);
    return json === undefined ? undefined : (parseFrozen(json) as T);
  }

  has(key: string): boolean {
    return readKey(this.text, key) !== undefined;
  }

  keys(): readonly string[] {
    return keysOf(this.text);
  }

  all(): Readonly<Record<string, unknown>> {
    return parseFrozen(this.text) as Readonly<Record<string, unknown>>;
  }

  set(key: string, value: unknown): void {
    checkName('the key', key);
    const json = toJson(key, value);
    if (wants('lossy_value')) hintOfLoss(this.#host.environment, key, value);
    this.#change({ kind: 'set', key, json });
  }

  delete(key: string): void {
    checkName('the key', key);
    this.#change({ kind: 'delete', key });
  }

  update<T = unknown>(key: string, change: (value: T | undefined) => T | undefined): void {
    checkName('the key', key);
    this.#change({ kind: 'update', key, change: change as (value: unknown) => unknown });
  }

  merge(patch: Readonly<Record<string, unknown>>): void {
    const changes = Object.entries(patch).map(([key, value]): KeyChange => {
      checkName('the key', key);
      if (value === null || value === undefined) return { kind: 'delete', key };
      if (typeof value !== 'object' || Array.isArray(value)) {
        return { kind: 'set', key, json: toJson(key, value) };
      }
      const copy: unknown = JSON.parse(toJson(key, value));
      return { kind: 'update', key, change: (present) => mergePatch(present, copy) };
    });
    for (const change of changes) this.#change(change);
  }

  login(user: string, options: LoginOptions = {}): Promise<void> {
    return this.#host.login(user, options);
  }

  logout(): Promise<void> {
    return this.#host.logout();
  }

  async sessions(): Promise<readonly OwnSession[]> {
    return this.#host.own().list();
  }

  async end(id: SessionId): Promise<boolean> {
    const own = this.#host.own();
    if (id !== own.current) return own.end(id);
    await this.#host.logout();
    return true;
  }

  async endOthers(): Promise<number> {
    return this.#host.own().endOthers();
  }

  async endAll(): Promise<number> {
    const others = await this.#host.own().endOthers();
    await this.#host.logout();
    return others + 1;
  }

  rotate(): Promise<Rotation> {
    return this.#host.rotate();
  }

  commit(): Promise<void> {
    return this.#host.commit();
  }

  /** The record under the visit is another one now: what was seen so far is looked at anew. */
  forget(): void {
    this.#text = undefined;
    this.#idle = undefined;
  }

  /** Looks at the data as it is now, before it is stored. */
  verify(): void {}

  protected textOf(record: SessionRecord | undefined): string {
    return normaliseData(record?.data ?? EMPTY_DATA);
  }

  /** Looks at a change of `key` to `json`, which makes the data `text`. Throws to refuse it. */
  protected accept(_key: string, _text: string): void {}

  #change(change: KeyChange): void {
    const text = applyChange(this.text, change);
    this.accept(change.key, text);
    this.#host.change(change);
    this.#text = text;
  }
}
