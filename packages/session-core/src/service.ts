import type { Access, Asking } from './access.js';
import type { NotedRequest } from './activity.js';
import type { Alteration, Altered } from './alterations.js';
import type { Backend, Change } from './backend.js';
import type { DataOptions, DataSchema, InputOf, OutputOf } from './data-schema.js';
import type { Environment, Millis } from './environment.js';
import type { Filter } from './filter.js';
import type { Held, HoldingSource } from './holdings.js';
import type { SessionId } from './id.js';
import type { SessionActivity } from './journal.js';
import type { LegacySessions } from './legacy.js';
import type { ClientCode, EndCause, SiteData } from './lists.js';
import type { ClientInfo, Head } from './record.js';
import type { Exchange } from './router.js';
import type { Session } from './session.js';
import type { HeaderField, RequestView, Transport } from './transport.js';

/** Whether a session is needed. `none`: tokens are not even looked at. */
export type SessionMode = 'required' | 'optional' | 'none';

export interface PathRule {
  /** Matches whole segments: `/app` matches `/app` and `/app/x`, not `/apple`. The longest prefix wins; case does not count. */
  readonly prefix: string;
  readonly session: SessionMode;
  /** Where a browser without a required session is sent (302). */
  readonly loginUrl?: string | undefined;
}

export interface LimitOptions {
  /** Sessions created per client address and minute. */
  readonly creations: number;
  /** Tokens refused per client address and minute. */
  readonly failedTokens: number;
}

export interface ServiceOptions<Schema extends DataSchema = DataSchema> {
  /** Where sessions live. Without one the service is stateless: requests pass, no token is set, nothing is stored. */
  readonly backend?: Backend | undefined;
  /** In order of precedence; the first also hands out the tokens of new sessions. */
  readonly transports?: readonly Transport[] | undefined;
  /** Absolute length of a session in ms, from its start, or from the login out of anonymous. Default 3,600,000. */
  readonly duration?: Millis | undefined;
  /** How long it may go unused, in ms. Default: `duration`. */
  readonly idleTimeout?: Millis | undefined;
  /** The same for sessions in which nothing was ever set and nobody logged in. Off by default. */
  readonly anonymousIdle?: Millis | undefined;
  /** No token: `true` creates a session, `on_write` does when something is set, `false` (default) never. `login` always does. */
  readonly autoCreate?: boolean | 'on_write' | undefined;
  /** Default `optional`. */
  readonly session?: SessionMode | undefined;
  readonly paths?: readonly PathRule[] | undefined;
  /** Where a browser without a required session is sent (302) instead of a 401. */
  readonly loginUrl?: string | undefined;
  /** A token whose session is over: `error` (default) answers 401 once and clears it; `renew` goes on as if there were none. */
  readonly onDead?: 'error' | 'renew' | undefined;
  /** How long an ended session stays readable with its cause, in ms. Default 3,600,000. */
  readonly keepEnded?: Millis | undefined;
  /** Largest data of a session in bytes of JSON. Default 262,144. */
  readonly maxData?: number | undefined;
  /** A schema for the data: it gives `get`, `set` and `update` their types, and refuses what does not fit. Without one every JSON object will do. */
  readonly data?: DataOptions<Schema> | undefined;
  /** Sessions of one user. Needs a backend with user slots. */
  readonly maxPerUser?: { readonly max: number; readonly full: 'refuse' | 'oldest' } | undefined;
  /** Services that say the same group use the same sessions. */
  readonly share?: string | undefined;
  /** Origins (`https://host[:port]`) from which unsafe cross-site requests are allowed. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** What the answer of a logout tells a browser to drop of this site (the header `Clear-Site-Data`, which browsers heed over https). Default: nothing but the token. */
  readonly clearSiteData?: readonly SiteData[] | undefined;
  /** Names of the filters that requests of its sessions go through, in order. Default: none. */
  readonly filters?: readonly string[] | undefined;
  /** Off by default in the library. */
  readonly limits?: LimitOptions | false | undefined;
  /** Sessions of another library, each taken over when its client visits, so that a move logs nobody out. Default: none. */
  readonly legacy?: LegacySessions | undefined;
}

/** What opens a visit: a request as a transport sees it, and where it comes from. */
export interface VisitRequest extends RequestView {
  /** Path without the query, as the client sent it. */
  readonly path: string;
  /** Whether the client's connection is encrypted, as far as trusted proxies tell. */
  readonly secure: boolean;
  /** `Host`, or what a trusted proxy forwarded. */
  readonly host: string | undefined;
  /** A request to switch protocols. */
  readonly upgrade: boolean;
  /** Asked only when needed. */
  client(): ClientInfo;
  /**
   * The peer is a loopback or private address that sends `Forwarded` or `X-Forwarded-For` without being trusted: its address says nothing about the
   * client, so limits do not count it.
   */
  readonly untrustedProxy: boolean;
}

/** What to answer in place of the handler. */
export interface Refusal {
  readonly status: number;
  readonly code: ClientCode;
  readonly detail: string;
  readonly headers: readonly HeaderField[];
  /** Seconds since a login that would do, where a newer one is asked for. */
  readonly maxAge?: number | undefined;
}

/** What the head of an answer says that matters for storing. */
export interface AnswerHead {
  readonly status: number;
  /** `Cache-Control` of the answer as the handler set it. */
  readonly cacheControl: string | undefined;
}

/** One request's use of a session. The HTTP packages drive it; handlers see only {@link Visit.session}. */
export interface Visit<Data = unknown, Input = Data> {
  readonly service: string;
  readonly session: Session<Data, Input>;
  /** Set: answer this and do not run the handler. */
  readonly refusal: Refusal | undefined;
  /** Something waits to be stored or handed out: `finish` must be called before the client can see the answer. */
  readonly pending: boolean;
  /** Called whenever `pending` becomes true after opening. */
  onPending: (() => void) | undefined;
  /** Set by the HTTP package: whether the head of the answer has gone out without `finish`, as that of a reader does. */
  headSent: (() => boolean) | undefined;
  /** Fields known when the visit was opened (a renewed cookie). They can be set on the answer at once. */
  readonly headers: readonly HeaderField[];
  /**
   * Stores what waits and answers the fields to set on the answer, in place of {@link headers}. Throws a fault, whose
   * {@link refuse}d form is then to be answered instead. Calling it again after the head has gone out (with `undefined`) stores later changes.
   */
  finish(head: AnswerHead | undefined): Promise<readonly HeaderField[]>;
  /** What to answer for a fault of this visit; undefined for a programming error, which is the application's to answer (500). */
  refuse(fault: unknown): Refusal | undefined;
  /** Something came from the client on an open socket: the session is used. Costs nothing that could be waited for. */
  used(): void;
  /** The answer is over, or the client has gone. */
  close(): void;
}

/** A named composition: transports, backend and times. The request path calls it. `Data` and `Input` are those of its {@link Session}s. */
export interface Service<Data = unknown, Input = Data> {
  readonly name: string;
  /** `share` group or name: what records carry. */
  readonly group: string;
  readonly options: ServiceOptions;
  /** Opens a visit. Faults are refusals too (503): it never rejects. */
  open(request: VisitRequest): Promise<Visit<Data, Input>>;
  /** What to answer in place of a route that asks more of the session than the rule of its path does; undefined when the visit may go on. */
  require(visit: Asking, access: Access): Refusal | undefined;
  /**
   * Runs a request through the filters of its session, and then `end`. A visit without a session has none to go through.
   * @throws SessionError `MODULE_MISSING` (a filter of the session is not configured: answer 503); whatever a filter or `end` throws.
   */
  pass(visit: Visit, exchange: Exchange, end: () => Promise<void>): Promise<void>;
  /**
   * Notes a request of a session for operators, as `queries`: method and path, without anything secret. Undefined when nothing is kept of it, as of one
   * without a stored session.
   */
  note(visit: Visit, statement: string): NotedRequest | undefined;
  /**
   * How many un-ended sessions its backend holds for it, and for the services that share them there (some may have run out).
   * @throws SessionError `UNSUPPORTED` (the backend cannot count), `BACKEND_*`.
   */
  count(): Promise<number>;
  /**
   * Tells operators what a router or other part of the process holds of the sessions in the service's backend. Answers how to say that the source takes
   * nothing new: it is told of until it holds nothing.
   */
  attach(source: HoldingSource): () => void;
  /** Why a session has not the filters here that an operator gave it; undefined when it has. */
  pending(id: SessionId): string | undefined;
}

/** A session as operators see it: never data, never a hash. */
export interface SessionInfo extends Head {
  /** When this was so, by the corrected clock. */
  readonly at: Millis;
  /** The instant from which it is dead if nothing more happens. */
  readonly deadFrom: Millis;
  readonly alive: boolean;
  readonly cause: EndCause | undefined;
  /** Changes by operators; undefined when there was none. */
  readonly altered: Altered | undefined;
}

/** The service of a session, or its group of services, and its user. */
export type SessionOwner = Pick<Head, 'service' | 'user'>;

/** One session with what an operator may be shown of its data, where the process allows that. */
export interface SessionDetail {
  readonly info: SessionInfo;
  /** Of the data as JSON. */
  readonly dataBytes: number;
  /** Parsed when asked for, and frozen. */
  data(): Readonly<Record<string, unknown>>;
}

export interface ManagerQuery {
  readonly service?: string | undefined;
  readonly user?: string | undefined;
  /** Default `alive`. */
  readonly state?: 'alive' | 'ended' | 'any' | undefined;
  readonly after?: SessionId | undefined;
  /** Default 100. */
  readonly limit?: number | undefined;
}

/** Who does something, for `by` and for logs. */
export interface Actor {
  readonly name: string;
}

/** What is asked of a session right before an operator changes it, on the very record that is changed: it throws to prevent that. */
export type Guard = (session: SessionInfo) => void;

export interface RestartOptions {
  /** Drops the log levels and filters that operators have set. */
  readonly reset?: boolean | undefined;
}

export interface StoreHealth {
  readonly type: string;
  readonly services: readonly string[];
  readonly ok: boolean;
  /** Why it is not. */
  readonly reason: string | undefined;
  /** Clock of the store minus clock of the process. */
  readonly clockOffset: Millis | undefined;
}

/** All that a manager works with: what {@link SessionManager.reconfigure} puts in the place of what it has. */
export interface ManagerSetup {
  /** Every service there is to be, by name. */
  readonly services: ReadonlyMap<string, ServiceOptions>;
  /** Every filter there is to be. What stays is the same object as before. Default: none. */
  readonly filters?: ReadonlyMap<string, Filter> | undefined;
  /** As that of the manager's options, with the same default. */
  readonly deadline?: Millis | undefined;
}

/**
 * What a setup has left behind. Each service of before, whether it stays or not: resolves when the visits that it had opened are closed, so that nothing which only they need is used any more.
 * Filters that are gone: when the last filter session is closed, so that it can be closed. Backends that are gone: when the visits which use them are closed, and
 * the backend as well. None of them rejects.
 */
export type Retired = ReadonlyMap<Service | Backend | Filter, Promise<void>>;

/** All services at once, with the operator's verbs. The admin API calls it. */
export interface SessionManager {
  readonly services: ReadonlyMap<string, Service>;
  /**
   * Adds a service. With a schema for its data, its sessions have the types of that.
   * @throws SessionError `CONFIG_INVALID` (bad or contradicting options; the message names them), `UNSUPPORTED` (the backend lacks an ability that an option needs).
   */
  service<Schema extends DataSchema = DataSchema>(
    name: string,
    options?: ServiceOptions<Schema>,
  ): Service<OutputOf<Schema>, InputOf<Schema>>;
  /**
   * Checks another setup as a whole, and answers the step that puts it in the place of the present one, at once and without fail. A service whose name stays remains the same object: visits
   * under way end by the options that they began with, the next ones are opened by the new ones. A backend that stays keeps its sessions, a filter that stays what it knows of
   * them. Sessions of a service that is gone stay in their backend until they run out.
   * @throws SessionError as {@link service} does; then nothing has changed.
   */
  reconfigure(setup: ManagerSetup): () => Retired;
  /** A living session; undefined when there is none. @throws SessionError `BACKEND_*`, `RECORD_CORRUPT`. */
  get(id: SessionId): Promise<SessionInfo | undefined>;
  /** A living session with its data; undefined when there is none. @throws SessionError `BACKEND_*`, `RECORD_CORRUPT`. */
  inspect(id: SessionId): Promise<SessionDetail | undefined>;
  /** Ascending by id, over all backends that can list. @throws SessionError `BACKEND_*`. */
  list(
    query?: ManagerQuery,
  ): Promise<{ readonly items: readonly SessionInfo[]; readonly next: SessionId | undefined }>;
  /** How many un-ended sessions the stores hold (some may have run out). @throws SessionError `BACKEND_*`. */
  count(query?: Pick<ManagerQuery, 'service' | 'user'>): Promise<number>;
  /** The filters that sessions can be given, by name. */
  readonly filters: ReadonlyMap<string, Filter>;
  /**
   * Ends a session (`killed`) now, or `ttl` ms from now. False when there is no living one. The guard of an end at once sees the session as it was read just
   * before: it ends whatever happens to it meanwhile.
   * @throws SessionError `BACKEND_*`, `CONFLICT`, and what the guard throws.
   */
  end(id: SessionId, actor: Actor, ttl?: Millis, guard?: Guard): Promise<boolean>;
  /**
   * Changes what an operator may change. False when there is no living one.
   * @throws SessionError `INVALID_VALUE` (no such filter), `BACKEND_*`, `CONFLICT`, and what the guard throws.
   */
  alter(id: SessionId, change: Alteration, actor: Actor, guard?: Guard): Promise<boolean>;
  /**
   * Opens filters and router of a session anew, in every process that serves it. False when there is no living one.
   * @throws SessionError `BACKEND_*`, `CONFLICT`, and what the guard throws.
   */
  restart(id: SessionId, actor: Actor, options?: RestartOptions, guard?: Guard): Promise<boolean>;
  /**
   * The same for all sessions of the services of this process, by one mark per service; with `reset` also what operators have set of each is dropped.
   * @throws SessionError `BACKEND_*`; a session that others keep changing is left as it is.
   */
  restartAll(actor: Actor, options?: RestartOptions): Promise<void>;
  /** What these sessions did lately, in any process; one that did nothing, or whose store keeps no journal, has empty lists. @throws SessionError `BACKEND_*`. */
  activity(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, SessionActivity>>;
  /** What processes hold of these sessions. Of others than this one it is up to 2 s old. @throws SessionError `BACKEND_*`. */
  holdings(ids: readonly SessionId[]): Promise<ReadonlyMap<SessionId, readonly Held[]>>;
  /**
   * Tells of every change that a store gives notice of, whichever process made it, until the answered function is called. A notice is a hint: it may be lost, repeated or
   * late, and of what is created, or of data alone, there is none.
   */
  watch(listener: (change: Change) => void): () => void;
  /** Whose a session is, also one that has ended, as long as its record is kept. @throws SessionError `BACKEND_*`, `RECORD_CORRUPT`. */
  owner(id: SessionId): Promise<SessionOwner | undefined>;
  /** That of the manager, for all that serves its sessions: log entries which name a session go into its log, too. */
  readonly environment: Environment;
  /** The state of every store, asked now. */
  health(): Promise<readonly StoreHealth[]>;
  /** Writes what is collected (touches) now. */
  flush(): Promise<void>;
  /** Flushes, stops timers, closes the backends. Visits under way end with `BACKEND_CLOSED` if they still need the store. */
  close(): Promise<void>;
}
