import {
  type ClientInfo,
  type EndCause,
  type Ended,
  type Json,
  type PriorSecret,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';

/**
 * Places of the `head` member, a JSON array. The scripts read some of them, counted from 1. What a newer version adds goes into `extra`, so that this one keeps it.
 * Parameters, filters and extra are JSON text inside the JSON: the scripts compare texts, and most sessions have none.
 */
type PackedHead = readonly [
  format: number,
  version: number,
  writes: readonly string[],
  service: string,
  user: string | null,
  epoch: number,
  secretHash: string,
  secretAt: number,
  prior: readonly [hash: string, kind: PriorSecret['kind'], until: number | null] | null,
  startedAt: number,
  authenticatedAt: number | null,
  idle: number,
  endsAt: number,
  client: readonly [
    ip: string,
    port: number,
    cipher: string,
    userAgent: string,
    attributes: Record<string, string>,
  ],
  parameters: string | null,
  filters: string | null,
  restartedAt: number | null,
  dataVersion: number,
  extra: string | null,
];

const PLACES = 19;
const NO_PARAMETERS: SessionRecord['parameters'] = Object.freeze({});

export function packHead(record: SessionRecord): string {
  const { prior, client, parameters, filters, extra } = record;
  const packed: PackedHead = [
    record.format,
    record.version,
    record.writes,
    record.service,
    record.user ?? null,
    record.epoch,
    record.secretHash,
    record.secretAt,
    prior === undefined ? null : [prior.hash, prior.kind, prior.until ?? null],
    record.startedAt,
    record.authenticatedAt ?? null,
    record.idle,
    record.endsAt,
    [client.ip, client.port, client.cipher, client.userAgent, client.attributes],
    sortedText(parameters),
    filters === undefined ? null : JSON.stringify(filters),
    record.restartedAt ?? null,
    record.dataVersion,
    extra === undefined ? null : JSON.stringify(extra),
  ];
  return JSON.stringify(packed);
}

/** Members of a hash as `HMGET` answers them, in the order of {@link MEMBERS_READ}. */
export type ReadMembers = readonly (string | null)[];

/**
 * The record of these members; undefined when none of them is there, `RECORD_CORRUPT` when they make no sense. Without data (a list) the fifth member is left out.
 */
export function unpack(id: SessionId, members: ReadMembers): SessionRecord | SessionError | undefined {
  const [head = null, seen = null, kill = null, ended = null, data = ''] = members;
  if (head === null)
    return members.every((member) => member === null) ? undefined : corrupt(id, 'it has no head');
  try {
    if (seen === null || data === null) return corrupt(id, 'a member is missing');
    return recordOf(id, JSON.parse(head) as PackedHead, seen, kill, ended, data);
  } catch (cause) {
    return corrupt(id, 'its head cannot be read', cause);
  }
}

function recordOf(
  id: SessionId,
  packed: PackedHead,
  seen: string,
  kill: string | null,
  ended: string | null,
  data: string,
): SessionRecord | SessionError {
  if (!isPacked(packed)) return corrupt(id, 'its head has another form');
  const [ip, port, cipher, userAgent, attributes] = packed[13];
  return {
    format: packed[0],
    id,
    version: packed[1],
    writes: packed[2],
    service: packed[3],
    user: packed[4] ?? undefined,
    epoch: packed[5],
    secretHash: packed[6],
    secretAt: packed[7],
    prior: priorOf(packed[8]),
    startedAt: packed[9],
    authenticatedAt: packed[10] ?? undefined,
    seenAt: millis(seen),
    idle: packed[11],
    endsAt: packed[12],
    killAt: kill === null ? undefined : millis(kill),
    ended: ended === null ? undefined : endedOf(ended),
    client: { ip, port, cipher, userAgent, attributes } satisfies ClientInfo,
    parameters: packed[14] === null ? NO_PARAMETERS : JSON.parse(packed[14]),
    filters: packed[15] === null ? undefined : JSON.parse(packed[15]),
    restartedAt: packed[16] ?? undefined,
    dataVersion: packed[17],
    data,
    extra: packed[18] === null ? undefined : (JSON.parse(packed[18]) as Record<string, Json>),
  };
}

function isPacked(packed: PackedHead): boolean {
  return (
    Array.isArray(packed) &&
    packed.length >= PLACES &&
    Array.isArray(packed[2]) &&
    typeof packed[3] === 'string' &&
    typeof packed[6] === 'string' &&
    Array.isArray(packed[13]) &&
    [0, 1, 5, 7, 9, 11, 12, 17].every((at) => typeof packed[at] === 'number')
  );
}

function priorOf(prior: PackedHead[8]): PriorSecret | undefined {
  return prior === null ? undefined : { hash: prior[0], kind: prior[1], until: prior[2] ?? undefined };
}

/** `ended` is `[at, cause, by, keepUntil]`; `by` is null when the rules did. */
export function packEnded(ended: Ended, keepUntil: number): string {
  return JSON.stringify([ended.at, ended.cause, ended.by ?? null, keepUntil]);
}

function endedOf(text: string): Ended {
  const [at, cause, by] = JSON.parse(text) as [number, EndCause, string | null];
  return { at, cause, by: by ?? undefined };
}

function sortedText(parameters: SessionRecord['parameters']): string | null {
  const names = Object.keys(parameters);
  return names.length === 0 ? null : JSON.stringify(parameters, names.sort());
}

function millis(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) throw new Error(`"${text}" is no time`);
  return value;
}

function corrupt(id: SessionId, why: string, cause?: unknown): SessionError {
  return new SessionError('RECORD_CORRUPT', `the session ${id} in Redis cannot be understood: ${why}`, {
    cause,
  });
}
