import {
  deadFrom,
  type Head,
  headOf,
  isSessionId,
  LOG_PARAMETERS,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  storedClient,
  storedEnded,
  storedJson,
  storedNumber,
  storedObject,
  storedOptional,
  storedPrior,
  storedText,
  storedTexts,
  storedVersion,
  storedWhole,
} from '@sessionkit/session-core';
import type { Row } from './database.js';
import type { Tables } from './options.js';

/** Members that have no column of their own: JSON in the column `record`. */
type Rest = Pick<
  SessionRecord,
  'format' | 'writes' | 'secretAt' | 'prior' | 'authenticatedAt' | 'dataVersion' | 'extra'
> & { readonly client: Omit<SessionRecord['client'], 'ip'> };

type Extra = NonNullable<SessionRecord['extra']>;

/** What operators set: JSON in the column `controls`, compared as text to tell whether it changed. */
type Controls = Pick<SessionRecord, 'parameters' | 'filters' | 'restartedAt'>;

/** A time in ms of the Unix epoch as a `datetime`, whose time zone is UTC here. */
const EPOCH = `'1970-01-01'`;
/** The first and the last time that a `datetime` can be. */
const FIRST_START: Millis = Date.UTC(1000, 0, 1);
const LAST_STOP: Millis = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
/** Room in a column for a user, a service or a process. */
const NAME_BYTES = 255;
/** Room in a column for an address or a hash. */
const SHORT_TEXT = 255;

/** What a head is read from, in this order. Instants are ms, whatever the column. */
export function headColumns({ c }: Tables): string {
  const plain = [c.sid, c.version, c.service, c.user, c.ip, c.epoch, c.seenAt, c.idle, c.endsAt, c.killAt];
  const json = [c.ended, c.controls, c.record];
  return [...plain.map((name) => `t.${name}`), startOf(c), ...json.map((name) => `t.${name}`)].join(', ');
}

/** The start in ms. */
export function startOf(c: Tables['c']): string {
  return `timestampdiff(microsecond, ${EPOCH}, t.${c.start}) div 1000`;
}

/** A number of ms as a `datetime`. */
export function momentOf(ms: string): string {
  return `timestampadd(microsecond, cast(least(${ms}, ${LAST_STOP}) as signed) * 1000, ${EPOCH})`;
}

/** What a record is read from: a head, then what a head has not. */
export function recordColumns(tables: Tables): string {
  return `${headColumns(tables)}, t.${tables.c.secretHash}, t.${tables.c.data}`;
}

/** What a save stores, by the places that the statements give it. */
export interface Encoded {
  readonly id: Buffer;
  readonly version: number;
  readonly service: Buffer;
  readonly user: Buffer | null;
  readonly ip: string;
  readonly start: string;
  readonly stop: Millis;
  readonly epoch: number;
  readonly seenAt: Millis;
  readonly idle: Millis;
  readonly endsAt: Millis;
  readonly killAt: Millis | null;
  readonly dueAt: Millis;
  readonly secretHash: string;
  readonly controls: string;
  readonly rest: string;
  readonly data: string;
}

/**
 * @param most How many bytes the server takes.
 * @throws SessionError `INVALID_VALUE` or `RECORD_TOO_LARGE`: a column that has no room would, on some servers, cut a text without a word.
 */
export function encoded(record: SessionRecord, most: number): Encoded {
  const { id, version, service, user, client, data, epoch, seenAt, idle, endsAt, secretHash } = record;
  const killAt = record.killAt ?? null;
  if (!isSessionId(id)) throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
  checkTexts({ 'client.ip': client.ip, secretHash, data });
  if (client.ip.length > SHORT_TEXT || secretHash.length > SHORT_TEXT)
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `client.ip or secretHash has more than ${SHORT_TEXT} characters`,
    );
  checkNumbers({ version, epoch, seenAt, idle, endsAt, startedAt: record.startedAt, killAt: killAt ?? 0 });
  if (record.startedAt < FIRST_START || record.startedAt > LAST_STOP)
    throw new SessionError('INVALID_VALUE', 'startedAt is no time that MySQL can keep');
  const { ip, ...rest } = client;
  const { format, writes, secretAt, prior, authenticatedAt, dataVersion, extra } = record;
  const controls = controlsOf(record);
  const others = JSON.stringify({
    format,
    writes,
    secretAt,
    prior,
    authenticatedAt,
    client: rest,
    dataVersion,
    extra,
  });
  const bytes = Buffer.byteLength(data) + Buffer.byteLength(others) + Buffer.byteLength(controls);
  if (bytes > most)
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `${bytes} bytes are more than max_allowed_packet takes: ${most}`,
    );
  return {
    id: Buffer.from(id),
    version,
    service: bytesOf('service', service),
    user: user === undefined ? null : bytesOf('user', user),
    ip,
    start: new Date(record.startedAt).toISOString().slice(0, 23).replace('T', ' '),
    stop: stopAt(record),
    epoch,
    seenAt,
    idle,
    endsAt,
    killAt,
    dueAt: deadFrom(record),
    secretHash,
    controls,
    rest: others,
    data,
  };
}

/**
 * A name as the bytes that are kept and compared.
 *
 * @throws SessionError `INVALID_VALUE`, `RECORD_TOO_LARGE`
 */
export function bytesOf(what: string, name: string): Buffer {
  checkTexts({ [what]: name });
  const bytes = Buffer.from(name);
  if (bytes.length > NAME_BYTES)
    throw new SessionError('RECORD_TOO_LARGE', `${what} has more than ${NAME_BYTES} bytes`);
  return bytes;
}

/** Whether no row can have such a user or service. */
export function isNobody(name: string): boolean {
  return !isWellFormed(name) || Buffer.byteLength(name) > NAME_BYTES;
}

function checkTexts(texts: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(texts))
    if (!isWellFormed(text))
      throw new SessionError(
        'INVALID_VALUE',
        `${name} has half of a surrogate pair, which MySQL cannot keep`,
      );
}

function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

function checkNumbers(numbers: Readonly<Record<string, number>>): void {
  for (const [name, number] of Object.entries(numbers))
    if (!Number.isSafeInteger(number))
      throw new SessionError('INVALID_VALUE', `${name} is ${number}, which is no whole number`);
}

function controlsOf({ parameters, filters, restartedAt }: SessionRecord): string {
  const set = LOG_PARAMETERS.filter((name) => parameters[name] !== undefined);
  const sorted = Object.fromEntries(set.map((name) => [name, parameters[name]]));
  return JSON.stringify({ parameters: sorted, filters, restartedAt });
}

/** A record from its row, or the fault `RECORD_CORRUPT` in its place. */
export function decoded(row: Row): SessionRecord | SessionError {
  try {
    return read(row, storedText(row[14], 'the hash of the secret'), storedText(row[15], 'data'));
  } catch (error) {
    return corrupt(row, error);
  }
}

/** A head from its row; undefined for one that cannot be understood, which is told to whoever loads it. */
export function decodedHead(row: Row): Head | undefined {
  try {
    return headOf(read(row, '', ''));
  } catch {
    return undefined;
  }
}

/** Write ids in a text of the column `record`. */
export function writesIn(json: string | null | undefined, id: SessionId): readonly string[] {
  try {
    return storedTexts(members<Rest>(json, 'record').writes, 'writes');
  } catch (error) {
    throw corrupt([id], error);
  }
}

/** One literal with every member: spreading objects here would cost ten times what parsing does. */
function read(row: Row, secretHash: string, data: string): SessionRecord {
  const rest = members<Rest>(row[13], 'record');
  const controls = members<Controls>(row[12], 'controls');
  return {
    format: storedNumber(rest.format, 'format'),
    id: storedText(row[0], 'id') as SessionId,
    version: storedVersion(row[1]),
    writes: storedTexts(rest.writes, 'writes'),
    service: storedText(row[2], 'service'),
    user: row[3] ?? undefined,
    epoch: storedWhole(row[5], 'epoch'),
    secretHash,
    secretAt: storedNumber(rest.secretAt, 'secretAt'),
    prior: storedOptional(rest.prior, storedPrior, 'prior'),
    startedAt: storedWhole(row[10], 'start'),
    authenticatedAt: storedOptional(rest.authenticatedAt, storedNumber, 'authenticatedAt'),
    seenAt: storedWhole(row[6], 'seenAt'),
    idle: storedWhole(row[7], 'idle'),
    endsAt: storedWhole(row[8], 'endsAt'),
    killAt: storedOptional(row[9] ?? undefined, storedWhole, 'killAt'),
    ended: row[11] == null ? undefined : storedEnded(storedJson(row[11], 'ended')),
    client: storedClient(rest.client, storedText(row[4], 'ip')),
    parameters: storedOptional(controls.parameters, storedObject<Controls['parameters']>, 'parameters') ?? {},
    filters: storedOptional(controls.filters, storedTexts, 'filters'),
    restartedAt: storedOptional(controls.restartedAt, storedNumber, 'restartedAt'),
    dataVersion: storedNumber(rest.dataVersion, 'dataVersion'),
    data,
    extra: storedOptional(rest.extra, storedObject<Extra>, 'extra'),
  };
}

/** What the JSON in a column has, of which nothing is known yet. */
function members<T>(
  json: string | null | undefined,
  name: string,
): Readonly<Partial<Record<keyof T, unknown>>> {
  return storedObject(storedJson(json, name), name);
}

function corrupt([id]: Row, error: unknown): SessionError {
  return new SessionError(
    'RECORD_CORRUPT',
    `the row of ${id} cannot be understood: ${(error as Error).message}`,
  );
}
