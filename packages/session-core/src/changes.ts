import { applyChange, type DataChange, EMPTY_DATA, normaliseData, readKey, writeKey } from './data.js';
import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import { type ClientInfo, RECORD_FORMAT, type SessionRecord } from './record.js';
import type { TypedData } from './typed-data.js';

/** Times that a service gives to its sessions, in ms. */
export interface Times {
  readonly duration: Millis;
  readonly idle: Millis;
  readonly anonymousIdle: Millis;
}

/** What the data of a service's sessions has to be. */
export interface DataRules {
  readonly times: Times;
  /** In bytes of JSON. */
  readonly maxData: number;
  readonly data: TypedData | undefined;
}

/** How long after a change of secret requests with the old one are only recognised, and open and create nothing. */
export const HUSH = 60_000;
/** How long a rotated secret still reads once its successor has been seen. */
const READ_GRACE = 30_000;

// Shared by all records that have none of their own.
const NO_PARAMETERS = Object.freeze({});
const NO_WRITES: readonly string[] = Object.freeze([]);

/** A record that nothing has stored yet. */
export function newRecord(
  id: SessionId,
  service: string,
  secretHash: string,
  client: ClientInfo,
  times: Times,
  now: Millis,
  dataVersion = 0,
): SessionRecord {
  return {
    format: RECORD_FORMAT,
    id,
    version: 0,
    writes: NO_WRITES,
    service,
    user: undefined,
    epoch: 0,
    secretHash,
    secretAt: now,
    prior: undefined,
    startedAt: now,
    authenticatedAt: undefined,
    seenAt: now,
    idle: times.anonymousIdle,
    endsAt: now + times.duration,
    killAt: undefined,
    ended: undefined,
    client,
    parameters: NO_PARAMETERS,
    filters: undefined,
    restartedAt: undefined,
    dataVersion,
    data: EMPTY_DATA,
    extra: undefined,
  };
}

/**
 * Replays changes of data.
 * @throws whatever an update throws, SessionError `RECORD_TOO_LARGE`, and what a schema throws.
 */
export function withData(
  record: SessionRecord,
  changes: readonly DataChange[],
  { times, maxData, data: typed }: DataRules,
): SessionRecord {
  if (typed !== undefined && changes.length === 0) return record;
  const before = typed === undefined ? normaliseData(record.data) : typed.textOf(record);
  let data = before;
  let wanted: Millis | undefined;
  for (const change of changes) {
    if (change.kind === 'idle') wanted = change.idle;
    else data = applyChange(data, change);
  }
  if (data === before)
    return wanted === undefined || wanted === record.idle ? record : { ...record, idle: wanted };
  // Cheap first: a string of n characters has at most 3 n bytes.
  if (data.length * 3 > maxData) {
    const bytes = Buffer.byteLength(data);
    if (bytes > maxData && bytes > Buffer.byteLength(before)) {
      throw new SessionError(
        'RECORD_TOO_LARGE',
        `the data of the session would have ${bytes} bytes; max_data is ${maxData}`,
      );
    }
  }
  const blank = record.user === undefined && record.idle === times.anonymousIdle;
  const idle = wanted ?? (blank && data !== EMPTY_DATA ? times.idle : record.idle);
  if (typed === undefined) return { ...record, data, idle };
  typed.check(data, true);
  return { ...record, data, idle, dataVersion: typed.version };
}

/** A login out of anonymous, or again as the same user. The old secret is superseded at once. */
export function withLogin(
  record: SessionRecord,
  user: string,
  secretHash: string,
  times: Times,
  now: Millis,
): SessionRecord {
  const anonymous = record.user === undefined;
  const handedOut = record.version > 0;
  return {
    ...record,
    user,
    epoch: record.epoch + 1,
    secretHash,
    secretAt: now,
    prior: handedOut ? { hash: record.secretHash, kind: 'superseded', until: now + HUSH } : undefined,
    authenticatedAt: now,
    idle: times.idle,
    endsAt: anonymous ? now + times.duration : record.endsAt,
  };
}

/** What a rotation would do to a record at `now`; a record when it stores something. */
export function withRotation(
  record: SessionRecord,
  secretHash: string,
  now: Millis,
): SessionRecord | 'unchanged' | 'waiting' {
  const { prior, authenticatedAt } = record;
  if (authenticatedAt !== undefined && now < authenticatedAt + HUSH) return 'waiting';
  if (prior?.kind === 'rotated' && prior.until === undefined) {
    if (now < record.secretAt + HUSH) return 'unchanged';
    return { ...record, secretHash, secretAt: now };
  }
  return {
    ...record,
    secretHash,
    secretAt: now,
    prior: { hash: record.secretHash, kind: 'rotated', until: undefined },
  };
}

/** Whether the visit with the present secret is the first one after a rotation. */
export function firstSeen(record: SessionRecord): boolean {
  return record.prior?.kind === 'rotated' && record.prior.until === undefined;
}

/** The new secret has been seen: the prior one reads a little longer, then is over. */
export function withSecretSeen(record: SessionRecord, secretHash: string, now: Millis): SessionRecord {
  const { prior } = record;
  if (prior?.kind !== 'rotated' || prior.until !== undefined || record.secretHash !== secretHash)
    return record;
  return { ...record, prior: { ...prior, until: now + READ_GRACE } };
}

/** `killAt` never moves later. */
export function withKill(record: SessionRecord, killAt: Millis): SessionRecord {
  if (record.killAt !== undefined && record.killAt <= killAt) return record;
  return { ...record, killAt };
}

/** Only these keys of its data; all of them by default. */
export function withKept(
  record: SessionRecord,
  keys: readonly string[] | undefined,
  { data: typed }: DataRules,
): SessionRecord {
  if (keys === undefined) return record;
  const text = typed === undefined ? normaliseData(record.data) : typed.textOf(record);
  let kept = EMPTY_DATA;
  for (const key of keys) {
    const json = readKey(text, key);
    if (json !== undefined) kept = writeKey(kept, key, json);
  }
  if (typed === undefined) return { ...record, data: kept };
  typed.check(kept);
  return { ...record, data: kept, dataVersion: typed.version };
}
