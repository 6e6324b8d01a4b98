import { applyChange, type DataChange, EMPTY_DATA, normaliseData, readKey, writeKey } from './data.js';
import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import { type ClientInfo, RECORD_FORMAT, type SessionRecord } from './record.js';

/** Times that a service gives to its sessions, in ms. */
export interface Times {
  readonly duration: Millis;
  readonly idle: Millis;
  readonly anonymousIdle: Millis;
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
    dataVersion: 0,
    data: EMPTY_DATA,
    extra: undefined,
  };
}

/** Replays changes of data. @throws whatever an update throws, and SessionError `RECORD_TOO_LARGE`. */
export function withData(
  record: SessionRecord,
  changes: readonly DataChange[],
  times: Times,
  maxData: number,
): SessionRecord {
  const before = normaliseData(record.data);
  let data = before;
  for (const change of changes) data = applyChange(data, change);
  if (data === before) return record;
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
  const idle =
    record.user === undefined && data !== EMPTY_DATA ? Math.max(record.idle, times.idle) : record.idle;
  return { ...record, data, idle };
}

/** A login out of anonymous, or again as the same user. The old secret is superseded at once. */
export function withLogin(
  record: SessionRecord,
  user: string,
  secretHash: string,
  keep: readonly string[] | undefined,
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
    data: keep === undefined ? record.data : onlyKeys(normaliseData(record.data), keep),
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

function onlyKeys(text: string, keys: readonly string[]): string {
  let kept = EMPTY_DATA;
  for (const key of keys) {
    const json = readKey(text, key);
    if (json !== undefined) kept = writeKey(kept, key, json);
  }
  return kept;
}
