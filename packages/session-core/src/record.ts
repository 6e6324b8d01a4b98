import type { Millis } from './environment.js';
import type { SessionId } from './id.js';
import type { EndCause, LogParameter } from './lists.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The format that this version writes. A newer one is read, and what is not understood is kept in {@link SessionRecord.extra}. */
export const RECORD_FORMAT = 1;

/** How many write ids a record remembers, so that a repeated save is recognised. */
export const WRITES_KEPT = 16;

/** Where a session was opened from. Told by the transport layer, shown to operators, never used to judge. */
export interface ClientInfo {
  /** Address of the client; behind trusted proxies the right-most untrusted one. */
  readonly ip: string;
  readonly port: number;
  /** TLS cipher of the client connection, `''` without TLS. */
  readonly cipher: string;
  readonly userAgent: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The secret before the present one. */
export interface PriorSecret {
  readonly hash: string;
  /** `rotated` still opens (see {@link until}); `superseded` (by a login) is only recognised. */
  readonly kind: 'rotated' | 'superseded';
  /** End of its grace; undefined for a rotated one whose successor has not been seen yet. */
  readonly until: Millis | undefined;
}

export interface Ended {
  readonly at: Millis;
  readonly cause: EndCause;
  /** Who ended it: a user or an operator's name; undefined when the rules did. */
  readonly by: string | undefined;
}

/**
 * What is persisted of a session. A record is an immutable value: whoever hands one over never changes it again.
 * All times are milliseconds.
 */
export interface SessionRecord {
  readonly format: number;
  readonly id: SessionId;
  /** 1, 2, 3, …: a version is stored only over the one before it. */
  readonly version: number;
  /** Ids of the last {@link WRITES_KEPT} saves, newest last. */
  readonly writes: readonly string[];
  /** The service (or share group) that the session belongs to. */
  readonly service: string;
  readonly user: string | undefined;
  /** Counts logins. Changes made under an older epoch are dropped. */
  readonly epoch: number;
  /** SHA-256 of the secret, base64url. */
  readonly secretHash: string;
  /** When the secret last changed. */
  readonly secretAt: Millis;
  readonly prior: PriorSecret | undefined;
  readonly startedAt: Millis;
  readonly authenticatedAt: Millis | undefined;
  /** Last use. Moved forward by touches; a save stores the larger of its own and the stored one. */
  readonly seenAt: Millis;
  /** How long the session may go unused. */
  readonly idle: Millis;
  /** Absolute end. */
  readonly endsAt: Millis;
  /** An operator's end to come; never moves later. */
  readonly killAt: Millis | undefined;
  readonly ended: Ended | undefined;
  readonly client: ClientInfo;
  readonly parameters: Readonly<Partial<Record<LogParameter, boolean>>>;
  /** Names of the filters in place of those of the service; undefined means the service's. */
  readonly filters: readonly string[] | undefined;
  readonly restartedAt: Millis | undefined;
  /** Version of the application's data, for its own migrations. */
  readonly dataVersion: number;
  /** JSON text of an object. See `data.ts` for the form that is fast to read. */
  readonly data: string;
  /** Members written by a newer version that this one does not understand. They survive a save. */
  readonly extra: Readonly<Record<string, Json>> | undefined;
}

/** A record without its data and hashes: what lists carry and operators may see. */
export type Head = Omit<SessionRecord, 'data' | 'secretHash' | 'prior' | 'writes'>;

/** The instant from which an un-ended record is dead: min(seenAt + idle, endsAt, killAt). Nothing else is expiry. */
export function deadFrom(record: Pick<SessionRecord, 'seenAt' | 'idle' | 'endsAt' | 'killAt'>): Millis {
  const end = Math.min(record.seenAt + record.idle, record.endsAt);
  return record.killAt === undefined ? end : Math.min(end, record.killAt);
}

/** What is fixed about a record's end whatever use it sees: min(endsAt, killAt). `fields.stop` of every store. */
export function stopAt(record: Pick<SessionRecord, 'endsAt' | 'killAt'>): Millis {
  return record.killAt === undefined ? record.endsAt : Math.min(record.endsAt, record.killAt);
}

export function isAlive(
  record: Pick<SessionRecord, 'seenAt' | 'idle' | 'endsAt' | 'killAt' | 'ended'>,
  now: Millis,
): boolean {
  return record.ended === undefined && now < deadFrom(record);
}

/** Why a record is dead at `now`; undefined while it lives. */
export function causeOfDeath(
  record: Pick<SessionRecord, 'seenAt' | 'idle' | 'endsAt' | 'killAt' | 'ended'>,
  now: Millis,
): EndCause | undefined {
  if (record.ended !== undefined) return record.ended.cause;
  const from = deadFrom(record);
  if (now < from) return undefined;
  if (record.killAt === from) return 'killed';
  return record.endsAt === from ? 'duration' : 'idle';
}

/** Takes a record's head. */
export function headOf(record: SessionRecord): Head {
  // Member by member: rest and spread make far larger objects, and a list makes many.
  return {
    format: record.format,
    id: record.id,
    version: record.version,
    service: record.service,
    user: record.user,
    epoch: record.epoch,
    secretAt: record.secretAt,
    startedAt: record.startedAt,
    authenticatedAt: record.authenticatedAt,
    seenAt: record.seenAt,
    idle: record.idle,
    endsAt: record.endsAt,
    killAt: record.killAt,
    ended: record.ended,
    client: record.client,
    parameters: record.parameters,
    filters: record.filters,
    restartedAt: record.restartedAt,
    dataVersion: record.dataVersion,
    extra: record.extra,
  };
}
