import {
  type ClientInfo,
  type Ended,
  type Json,
  type Millis,
  type PriorSecret,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  storedEnded,
  storedJson,
  storedPrior,
} from '@sessionkit/session-core';
import type { MemberNames } from './options.js';

/** Places of the member `head`, a JSON array. What a newer version adds goes into `extra`, so that this one keeps it. */
type PackedHead = readonly [
  format: number,
  version: number,
  writes: readonly string[],
  epoch: number,
  secretHash: string,
  secretAt: number,
  prior: readonly [hash: string, kind: PriorSecret['kind'], until: number | null] | null,
  authenticatedAt: number | null,
  seenAt: number,
  idle: number,
  endsAt: number,
  killAt: number | null,
  client: readonly [port: number, cipher: string, userAgent: string, attributes: Record<string, string>],
  parameters: SessionRecord['parameters'] | null,
  filters: readonly string[] | null,
  restartedAt: number | null,
  dataVersion: number,
  extra: Readonly<Record<string, Json>> | null,
];

const PLACES = 18;
const NUMBERS = [0, 1, 3, 5, 8, 9, 10, 16] as const;
const NUMBERS_OR_NOT = [7, 11, 15] as const;
const OBJECTS_OR_NOT = [13, 17] as const;
const NO_PARAMETERS: SessionRecord['parameters'] = Object.freeze({});
const LINE = '\n';

/**
 * A session as it is stored: a line of JSON, then its data byte for byte.
 *
 * @throws SessionError `INVALID_VALUE` for what would come back otherwise; `RECORD_TOO_LARGE`.
 */
export function encode(record: SessionRecord, names: MemberNames, most: number): string {
  const { id, data, prior, client, ended } = record;
  if (/\p{Surrogate}/u.test(data))
    throw new SessionError(
      'INVALID_VALUE',
      'the data has half of a surrogate pair, which memcached cannot keep',
    );
  const head: PackedHead = [
    record.format,
    record.version,
    record.writes,
    record.epoch,
    record.secretHash,
    record.secretAt,
    prior === undefined ? null : [prior.hash, prior.kind, prior.until ?? null],
    record.authenticatedAt ?? null,
    record.seenAt,
    record.idle,
    record.endsAt,
    record.killAt ?? null,
    [client.port, client.cipher, client.userAgent, client.attributes],
    Object.keys(record.parameters).length === 0 ? null : record.parameters,
    record.filters ?? null,
    record.restartedAt ?? null,
    record.dataVersion,
    record.extra ?? null,
  ];
  for (const place of NUMBERS) checkNumber(head[place]);
  for (const place of NUMBERS_OR_NOT) if (head[place] !== null) checkNumber(head[place]);
  checkNumber(record.startedAt);
  const members: [string, unknown][] = [
    [names.sid, id],
    [names.user, record.user ?? null],
    [names.service, record.service],
    [names.ip, client.ip],
    [names.start, record.startedAt],
    [names.stop, stopAt(record)],
    [names.head, head],
  ];
  if (ended !== undefined) members.push([names.ended, [ended.at, ended.cause, ended.by ?? null]]);
  const value = `${JSON.stringify(Object.fromEntries(members))}${LINE}${data}`;
  if (value.length * 3 > most) checkSize(Buffer.byteLength(value), most);
  return value;
}

function checkSize(bytes: number, most: number): void {
  if (bytes > most)
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `a session of ${bytes} bytes is larger than maxRecordBytes, of which ${most} are left beside its key`,
    );
}

function checkNumber(value: unknown): void {
  if (!Number.isFinite(value))
    throw new SessionError('INVALID_VALUE', `one of its numbers is ${value}, which memcached cannot keep`);
}

/** The record of a value, as it was saved last, or `RECORD_CORRUPT`. */
export function decode(
  id: SessionId,
  value: string | undefined,
  names: MemberNames,
): SessionRecord | SessionError {
  if (value === undefined) return corrupt(id, 'its key holds something else');
  const end = value.indexOf(LINE);
  if (end < 0) return corrupt(id, 'it has no data');
  try {
    return recordOf(
      id,
      storedJson(value.slice(0, end), 'its first line') as Members,
      names,
      value.slice(end + 1),
    );
  } catch (error) {
    return corrupt(id, (error as Error).message);
  }
}

/**
 * The record with its last use, which is noted in the key beside it. Where that was evicted, or is no number, the last use is unknown, and `now` stands in its place: nobody's
 * session ends for it. After its end a session was last used when its record says so.
 */
export function withUse(record: SessionRecord, noted: string | undefined, now: Millis): SessionRecord {
  if (record.ended !== undefined) return record;
  const seenAt = lastUse(noted) ?? now;
  return seenAt > record.seenAt ? { ...record, seenAt } : record;
}

/** Undefined for a value that says nothing. */
export function lastUse(seen: string | undefined): Millis | undefined {
  return seen !== undefined && /^\d{1,15}$/.test(seen) ? Number(seen) : undefined;
}

type Members = Readonly<Record<string, unknown>>;

function recordOf(id: SessionId, members: Members, names: MemberNames, data: string): SessionRecord {
  if (typeof members !== 'object' || members === null || members[names.sid] !== id)
    throw new Error('it is not of this session');
  const head = members[names.head] as PackedHead;
  const {
    user = null,
    service,
    ip,
    start,
    ended,
  } = {
    user: members[names.user] as string | null | undefined,
    service: members[names.service],
    ip: members[names.ip],
    start: members[names.start],
    ended: Object.hasOwn(members, names.ended) ? members[names.ended] : undefined,
  };
  if (
    !isPacked(head) ||
    (user !== null && typeof user !== 'string') ||
    typeof service !== 'string' ||
    typeof ip !== 'string' ||
    !Number.isFinite(start)
  )
    throw new Error('its members have another form');
  const [port, cipher, userAgent, attributes] = head[12];
  return {
    format: head[0],
    id,
    version: head[1],
    writes: head[2],
    service,
    user: user ?? undefined,
    epoch: head[3],
    secretHash: head[4],
    secretAt: head[5],
    prior: priorOf(head[6]),
    startedAt: start as Millis,
    authenticatedAt: head[7] ?? undefined,
    seenAt: head[8],
    idle: head[9],
    endsAt: head[10],
    killAt: head[11] ?? undefined,
    ended: ended === undefined ? undefined : endedOf(ended),
    client: { ip, port, cipher, userAgent, attributes } satisfies ClientInfo,
    parameters: head[13] ?? NO_PARAMETERS,
    filters: head[14] ?? undefined,
    restartedAt: head[15] ?? undefined,
    dataVersion: head[16],
    data,
    extra: head[17] ?? undefined,
  };
}

/** Whether every place has what belongs there. What is parsed here may have been written by anybody. */
function isPacked(head: PackedHead): boolean {
  if (!Array.isArray(head) || head.length < PLACES) return false;
  for (const at of NUMBERS) if (!Number.isFinite(head[at])) return false;
  for (const at of NUMBERS_OR_NOT) if (head[at] !== null && !Number.isFinite(head[at])) return false;
  for (const at of OBJECTS_OR_NOT) if (head[at] !== null && !isObject(head[at])) return false;
  const [, version, writes, , secretHash, , , , , , , , client, , filters] = head;
  return (
    Number.isSafeInteger(version) &&
    version > 0 &&
    areTexts(writes) &&
    typeof secretHash === 'string' &&
    (filters === null || areTexts(filters)) &&
    Array.isArray(client) &&
    typeof client[0] === 'number' &&
    typeof client[1] === 'string' &&
    typeof client[2] === 'string' &&
    isObject(client[3])
  );
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function priorOf(prior: PackedHead[6]): PriorSecret | undefined {
  if (prior === null) return undefined;
  const [hash, kind, until] = Array.isArray(prior) ? prior : [];
  return storedPrior({ hash, kind, until: until ?? undefined });
}

function endedOf(ended: unknown): Ended {
  const [at, cause, by] = Array.isArray(ended) ? ended : [];
  return storedEnded({ at, cause, by: by ?? undefined });
}

function corrupt(id: SessionId, why: string): SessionError {
  return new SessionError('RECORD_CORRUPT', `the session ${id} in memcached cannot be understood: ${why}`);
}
