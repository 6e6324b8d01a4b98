import {
  type ClientInfo,
  type Ended,
  type PriorSecret,
  SessionError,
  type SessionId,
  type SessionRecord,
  storedEnded,
  storedJson,
  storedObject,
  storedPrior,
  storedTexts,
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

/** Members of a hash as `HMGET` answers them, in the order head, seen, kill, ended, data. */
export type ReadMembers = readonly (string | null)[];

export function hasEnded([, , , ended = null]: ReadMembers): boolean {
  return ended !== null;
}

/**
 * The record of these members; undefined when none of them is there, `RECORD_CORRUPT` when they make no sense. Without data (a list) the fifth member is left out.
 */
export function unpack(id: SessionId, members: ReadMembers): SessionRecord | SessionError | undefined {
  const [head = null, seen = null, kill = null, ended = null, data = ''] = members;
  if (head === null)
    return members.every((member) => member === null) ? undefined : corrupt(id, 'it has no head');
  try {
    if (seen === null || data === null) return corrupt(id, 'a member is missing');
    return recordOf(id, storedJson(head, 'its head') as PackedHead, seen, kill, ended, data);
  } catch (error) {
    return corrupt(id, (error as Error).message);
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
    parameters: packed[14] === null ? NO_PARAMETERS : objectOf(packed[14], 'parameters'),
    filters: packed[15] === null ? undefined : storedTexts(storedJson(packed[15], 'filters'), 'filters'),
    restartedAt: packed[16] ?? undefined,
    dataVersion: packed[17],
    data,
    extra: packed[18] === null ? undefined : objectOf(packed[18], 'extra'),
  };
}

const NUMBERS = [0, 1, 5, 7, 9, 11, 12, 17] as const;
const TEXTS_OR_NOT = [4, 14, 15, 18] as const;
const NUMBERS_OR_NOT = [10, 16] as const;

/** Whether every place has what belongs there. What is parsed here may have been written by anybody. */
function isPacked(packed: PackedHead): boolean {
  if (!Array.isArray(packed) || packed.length < PLACES) return false;
  for (const at of NUMBERS) if (!Number.isFinite(packed[at])) return false;
  for (const at of TEXTS_OR_NOT) if (packed[at] !== null && typeof packed[at] !== 'string') return false;
  for (const at of NUMBERS_OR_NOT) if (packed[at] !== null && !Number.isFinite(packed[at])) return false;
  const [, version, writes, service, , , secretHash, , , , , , , client] = packed;
  return (
    Number.isSafeInteger(version) &&
    version > 0 &&
    areTexts(writes) &&
    typeof service === 'string' &&
    typeof secretHash === 'string' &&
    Array.isArray(client) &&
    typeof client[0] === 'string' &&
    typeof client[1] === 'number' &&
    typeof client[2] === 'string' &&
    typeof client[3] === 'string' &&
    typeof client[4] === 'object' &&
    client[4] !== null
  );
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function objectOf<T extends object>(text: string, name: string): T {
  return storedObject(storedJson(text, name), name);
}

function priorOf(prior: PackedHead[8]): PriorSecret | undefined {
  if (prior === null) return undefined;
  const [hash, kind, until] = Array.isArray(prior) ? prior : [];
  return storedPrior({ hash, kind, until: until ?? undefined });
}

/** `ended` is `[at, cause, by, keepUntil]`; `by` is null when the rules did. */
export function packEnded(ended: Ended, keepUntil: number): string {
  return JSON.stringify([ended.at, ended.cause, ended.by ?? null, keepUntil]);
}

function endedOf(text: string): Ended {
  const ended = storedJson(text, 'ended');
  const [at, cause, by] = Array.isArray(ended) ? ended : [];
  return storedEnded({ at, cause, by: by ?? undefined });
}

function sortedText(parameters: SessionRecord['parameters']): string | null {
  const names = Object.keys(parameters);
  return names.length === 0 ? null : JSON.stringify(parameters, names.sort());
}

function millis(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) throw new Error('one of its times is no number');
  return value;
}

function corrupt(id: SessionId, why: string): SessionError {
  return new SessionError('RECORD_CORRUPT', `the session ${id} in Redis cannot be understood: ${why}`);
}

/** Whether Redis would keep another text: half of a surrogate pair is not UTF-8. */
export function unstorable(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** Whether a JSON text names half of a surrogate pair, which the server's own parser refuses; in a JSON text inside it the escape is escaped. */
export function namesHalfPairs(json: string): boolean {
  return json.includes('\\ud') && /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(json);
}

/** @throws SessionError `INVALID_VALUE` for a name that cannot be kept as it is. */
export function checkNames(names: Readonly<Record<string, string | undefined>>): void {
  for (const [what, name] of Object.entries(names)) {
    if (name === '') throw new SessionError('INVALID_VALUE', `${what} must not be empty`);
    if (name !== undefined && unstorable(name))
      throw new SessionError(
        'INVALID_VALUE',
        `${what} has half of a surrogate pair, which Redis cannot keep`,
      );
  }
}
