import type { Millis } from './environment.js';
import { hintOfSecure } from './hints.js';
import { type Credential, type Token, toToken } from './id.js';
import type { ServiceParts } from './parts.js';
import { deadFrom, type SessionRecord } from './record.js';
import { hasRolled, type Renewals } from './renewals.js';
import type { VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { HeaderField, Transport } from './transport.js';

/** A token that is to go out. */
interface Issue {
  readonly token: Token;
  /** Hash of its secret; asked for once more before it goes out, when a login may have come in between. */
  readonly confirm: string | undefined;
}

/** What the answer of a visit says about tokens. */
export class VisitAnswer {
  /** That carried the token. */
  transport: Transport | undefined;
  /** That carried a token which opened nothing: a login answers the same way. */
  refused: Transport | undefined;
  /** Known when the visit was opened: a dead token that is taken back. */
  headers: readonly HeaderField[] = [];
  /** Said beside a token that goes out. */
  notes: readonly HeaderField[] = [];
  #issue: Issue | undefined;
  #renewal: Issue | undefined;
  #cleared = false;
  /** The token of a cookie that the client has shown, and the hash of its secret. */
  #shown: Credential | undefined;
  #shownHash = '';
  #usedAt: Millis = 0;
  readonly #settings: Settings;
  readonly #renewals: Renewals;
  readonly #request: VisitRequest;

  constructor({ settings, renewals }: Pick<ServiceParts, 'settings' | 'renewals'>, request: VisitRequest) {
    this.#settings = settings;
    this.#renewals = renewals;
    this.#request = request;
  }

  get pending(): boolean {
    return this.#issue !== undefined || this.#renewal !== undefined || this.#cleared;
  }

  /** Hands `token` out. */
  issue(token: Token, confirm?: string): void {
    this.#issue = { token, confirm };
    this.#renewal = undefined;
    this.#cleared = false;
  }

  /** The cookie of the client has the present secret of a session that was last used at `seenAt`. It is handed out again when its end is due to move. */
  shown(credential: Credential, record: SessionRecord, seenAt: Millis, now: Millis): void {
    this.#shown = credential;
    this.#shownHash = record.secretHash;
    this.#usedAt = now;
    if (this.#renewals.take(record.id) || hasRolled(seenAt, record, now)) this.#renew(credential);
  }

  /** The session is used by what has had its answer. */
  used(record: SessionRecord, now: Millis): void {
    if (this.#shown?.id === record.id && hasRolled(this.#usedAt, record, now)) this.#renewals.owe(record.id);
    this.#usedAt = now;
  }

  /** The session has another idle time now, and the cookie is to end with it; by a later answer when this one has gone. */
  retimed({ id }: SessionRecord, gone: boolean): void {
    if (this.#shown?.id !== id) return;
    if (gone) this.#renewals.owe(id);
    else this.#renew(this.#shown);
  }

  #renew({ id, secret }: Credential): void {
    this.#renewal = { token: toToken(id, secret), confirm: this.#shownHash };
  }

  /** Takes the token from the client that has it: it has logged out. */
  clear(): void {
    this.#issue = undefined;
    this.#renewal = undefined;
    this.#cleared = this.transport !== undefined;
  }

  /** Nothing is said about tokens. */
  hush(): void {
    this.#issue = undefined;
    this.#renewal = undefined;
  }

  /** There is no answer to come. */
  close(): void {
    if (this.#renewal !== undefined && this.#shown !== undefined) this.#renewals.owe(this.#shown.id);
  }

  /** The fields for the head; after it nothing is pending any more. */
  async take(
    store: Store | undefined,
    record: SessionRecord | undefined,
    shared: boolean,
  ): Promise<readonly HeaderField[]> {
    const renewal = this.#renewal;
    const issue = this.#issue ?? (shared ? undefined : renewal);
    const cleared = this.#cleared;
    this.hush();
    this.#cleared = false;
    const transport = this.transport ?? this.refused ?? this.#settings.transports[0];
    if (transport === undefined) return [];
    if (issue !== undefined && record !== undefined && store !== undefined) {
      const current = issue.confirm === undefined || (await isCurrent(store, record, issue.confirm));
      if (current) return [...this.#issued(store, transport, issue.token, record), ...this.notes];
    }
    if (renewal !== undefined && this.#shown !== undefined) this.#renewals.owe(this.#shown.id);
    if (!cleared) return this.headers;
    return [...clearFields(this.#settings, this.#request, transport), ...this.#settings.farewell];
  }

  #issued(store: Store, transport: Transport, token: Token, record: SessionRecord): readonly HeaderField[] {
    const now = store.now();
    const left = Math.max(1, Math.floor((deadFrom({ ...record, seenAt: now }) - now) / 1000));
    const fields = transport.issue(token, left, this.#request);
    hintOfSecure(store.environment, this.#request, fields);
    return uncached(this.#settings.vary, fields);
  }
}

/** Fields that take the dead token back; none when the client itself keeps it. */
export function clearFields(
  { vary }: Settings,
  request: VisitRequest,
  transport: Pick<Transport, 'clear'>,
): readonly HeaderField[] {
  const fields = transport.clear(request);
  return fields.length === 0 ? fields : uncached(vary, fields);
}

/**
 * Whether the secret is still the session's: an answer that was begun before a login must not overwrite the token of the login's. When the store does
 * not say, nothing goes out; the client keeps what it has, which still opens.
 */
async function isCurrent(store: Store, record: SessionRecord, hash: string): Promise<boolean> {
  try {
    const stored = await store.load(record.id);
    return stored !== undefined && stored.ended === undefined && stored.secretHash === hash;
  } catch {
    return false;
  }
}

/** No cache may keep an answer that carries a token. */
function uncached(vary: string | undefined, fields: readonly HeaderField[]): readonly HeaderField[] {
  const all: HeaderField[] = [...fields, ['cache-control', 'no-store']];
  if (vary !== undefined) all.push(['vary', vary]);
  return all;
}
