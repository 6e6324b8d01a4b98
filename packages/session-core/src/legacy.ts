import { createHmac } from 'node:crypto';
import { newRecord } from './changes.js';
import { EMPTY_DATA, nameProblem, normaliseData } from './data.js';
import { Deadlines } from './deadlines.js';
import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import { events } from './events.js';
import {
  type Credential,
  createId,
  createSecret,
  hashSecret,
  type SessionId,
  type Token,
  toToken,
} from './id.js';
import type { SessionRecord } from './record.js';
import type { VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { AnswerContext, HeaderField, RequestView, Transport } from './transport.js';

/** What a request shows of a session of another library, its signature being right. */
export interface LegacyCredential {
  /** Its name in the old store. Whoever knows it and the old secret has the session: it is never logged. */
  readonly key: string;
  /** At least 32 bytes that only this cookie gives, and always gives: a hash of it under the old secret. */
  readonly seed: Uint8Array;
}

/** A living session of another library. */
export interface LegacySession {
  /** JSON text of an object: the application's data. */
  readonly data: string;
  /** Who is logged in; undefined when nobody is. */
  readonly user: string | undefined;
  /** How long it may go unused, in ms, at least 1; undefined: as the service says. Default: that. */
  readonly idleTimeout?: Millis | undefined;
}

/**
 * The sessions of another library, in its own store, of which a service takes over each when its client visits. Every such session becomes one session here, whatever
 * requests show its cookie at the same time, and whichever process dies in between.
 */
export interface LegacySessions {
  /** For messages: `connect-redis`. */
  readonly type: string;
  /** Reads a request, as a transport does: must not trust it nor throw on it. Undefined without the cookie, and for one whose signature is wrong. */
  read(request: RequestView): LegacyCredential | undefined;
  /**
   * The session, which its store then keeps for at most `atMost` ms more; undefined when it has no living one.
   * @throws SessionError `RECORD_CORRUPT`; other errors become `BACKEND_FAILED`.
   */
  take(key: string, atMost: Millis, signal: AbortSignal): Promise<LegacySession | undefined>;
  /** Takes the session out of its store. Also one that is not there. */
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** The fields that take the old cookie from the client. */
  clear(context: AnswerContext): readonly HeaderField[];
}

export type TakeOver =
  /** This request has made it ours, and its answer hands out the token. */
  | { readonly kind: 'taken'; readonly record: SessionRecord; readonly token: Token }
  /** It is ours already, or neither there nor here: to be judged like any other token. */
  | { readonly kind: 'known'; readonly record: SessionRecord | undefined };

/** A failed attempt leaves the old session for so long, at least. */
const LEAST_KEPT: Millis = 60_000;

/**
 * The token that an old cookie stands for here. Always the same one, so that every request with the cookie means the same session and the store, which keeps one first save of an
 * id, decides which of them makes it. The id has the time 0: its session began before all others.
 */
export function tokenOf({ seed }: LegacyCredential, { group }: Settings): Credential {
  let bytes: Uint8Array = createHmac('sha512', seed).update(group).digest();
  const random = (count: number) => {
    const taken = bytes.subarray(0, count);
    bytes = bytes.subarray(count);
    return taken;
  };
  return { id: createId({ random }, 0), secret: createSecret({ random }) };
}

/** What is being taken over in this process: requests that come with the same cookie meanwhile wait for the first. */
export class TakeOvers {
  readonly #open = new Map<SessionId, Promise<TakeOver>>();

  /** As {@link takeOver}. */
  async run(...args: Parameters<typeof takeOver>): Promise<TakeOver> {
    const { id } = args[4];
    const before = this.#open.get(id);
    if (before !== undefined) return { kind: 'known', record: (await before).record };
    const work = takeOver(...args).finally(() => this.#open.delete(id));
    this.#open.set(id, work);
    return work;
  }
}

/**
 * Makes an old session one of ours: reads it there, stores it here, and only then takes it away there. Whatever fails in between, the next request with the cookie begins again. The token
 * that goes out is a new one; that of the cookie is as one before a rotation, of full force until the new one is first seen.
 *
 * @throws SessionError `BACKEND_*`, `RECORD_CORRUPT`.
 */
async function takeOver(
  store: Store,
  settings: Settings,
  legacy: LegacySessions,
  old: LegacyCredential,
  credential: Credential,
  request: VisitRequest,
): Promise<TakeOver> {
  const deadlines = new Deadlines(store.deadline);
  const ask = <T>(what: string, verb: (signal: AbortSignal) => Promise<T>) =>
    deadlines.run(`${legacy.type}: ${what}`, verb).catch((fault: SessionError) => {
      if (fault.code === 'BACKEND_DOWN') store.complain('the store of old sessions does not answer', fault);
      throw fault;
    });
  const atMost = Math.max(settings.keepEnded, LEAST_KEPT);
  const found = await ask('take', (signal) => legacy.take(old.key, atMost, signal));
  if (found !== undefined) {
    const secret = createSecret(store.environment);
    const record = recordOf(store, settings, found, credential, hashSecret(secret), request);
    // Not by the store's own `save`: that ends an id whose first save has an unknown outcome, and this one can be tried again.
    const stored = await store.call('save', (signal) => store.backend.save(record, signal));
    await ask('remove', (signal) => legacy.remove(old.key, signal));
    if (stored) {
      const { id, service, user } = record;
      if (events.created.hasSubscribers) events.created.publish({ id, service, user });
      return { kind: 'taken', record, token: toToken(id, secret) };
    }
  }
  return { kind: 'known', record: await store.load(credential.id) };
}

function recordOf(
  store: Store,
  { group, times }: Settings,
  { data: text, user, idleTimeout }: LegacySession,
  { id, secret }: Credential,
  secretHash: string,
  request: VisitRequest,
): SessionRecord {
  const problem = user === undefined ? undefined : nameProblem(user);
  if (problem !== undefined)
    throw new SessionError('RECORD_CORRUPT', `the user of an old session ${problem}`);
  const data = normaliseData(text);
  const blank = newRecord(id, group, secretHash, request.client(), times, store.now());
  return {
    ...blank,
    version: 1,
    writes: [store.writeId()],
    user,
    epoch: user === undefined ? 0 : 1,
    prior: { hash: hashSecret(secret), kind: 'rotated', until: undefined },
    idle: idleTimeout ?? (user === undefined && data === EMPTY_DATA ? times.anonymousIdle : times.idle),
    data,
  };
}

/** What is wrong with the options of a service that takes over old sessions; undefined when nothing is. */
export function legacyProblem(transports: readonly Transport[], stateless: boolean): string | undefined {
  if (stateless) return 'needs a backend: sessions that are taken over have to be stored';
  if (transports.some(isCookie)) return undefined;
  return 'needs a cookie among the transports, such as cookie(): the old cookie is exchanged for it';
}

export function isCookie({ carrier }: Transport): boolean {
  return carrier.cookie !== undefined;
}
