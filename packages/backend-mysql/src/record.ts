import {
  deadFrom,
  type Ended,
  type Head,
  headOf,
  isSessionId,
  LOG_PARAMETERS,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
} from '@sessionkit/session-core';
import type { Row } from './database.js';
import type { Tables } from './options.js';

/** Members that have no column of their own: JSON in the column `record`. */
type Rest = Pick<
  SessionRecord,
  'format' | 'writes' | 'secretAt' | 'prior' | 'authenticatedAt' | 'dataVersion' | 'extra'
> & { readonly client: Omit<SessionRecord['client'], 'ip'> };

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
    return read(row, text(row[14], 'the hash of the secret'), text(row[15], 'data'));
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
    return list(object<Rest>(json, 'record').writes, 'writes');
  } catch (error) {
    throw corrupt([id], error);
  }
}

/** One literal with every member: spreading objects here would cost ten times what parsing does. */
function read(row: Row, secretHash: string, data: string): SessionRecord {
  const rest = object<Rest>(row[13], 'record');
  const controls = object<Controls>(row[12], 'controls');
  const { client } = rest;
  if (!isDescribed(client)) throw new Error('the client is not described');
  if (rest.prior !== undefined && !isPrior(rest.prior)) throw new Error('prior is no secret before this one');
  const version = whole(row[1], 'version');
  if (version < 1) throw new Error('version is less than 1');
  return {
    format: number(rest.format, 'format'),
    id: text(row[0], 'id') as SessionId,
    version,
    writes: list(rest.writes, 'writes'),
    service: text(row[2], 'service'),
    user: row[3] ?? undefined,
    epoch: whole(row[5], 'epoch'),
    secretHash,
    secretAt: number(rest.secretAt, 'secretAt'),
    prior: rest.prior,
    startedAt: whole(row[10], 'start'),
    authenticatedAt: orNone(rest.authenticatedAt, number, 'authenticatedAt'),
    seenAt: whole(row[6], 'seenAt'),
    idle: whole(row[7], 'idle'),
    endsAt: whole(row[8], 'endsAt'),
    killAt: row[9] == null ? undefined : whole(row[9], 'killAt'),
    ended: row[11] == null ? undefined : readEnded(row[11]),
    client: {
      ip: text(row[4], 'ip'),
      port: client.port,
      cipher: client.cipher,
      userAgent: client.userAgent,
      attributes: client.attributes,
    },
    parameters: orNone(controls.parameters, plain, 'parameters') ?? {},
    filters: orNone(controls.filters, list, 'filters'),
    restartedAt: orNone(controls.restartedAt, number, 'restartedAt'),
    dataVersion: number(rest.dataVersion, 'dataVersion'),
    data,
    extra: orNone(rest.extra, plain, 'extra'),
  };
}

function readEnded(json: string | undefined): Ended {
  const { at, cause, by } = object<Ended>(json, 'ended');
  if (typeof cause !== 'string' || (by !== undefined && typeof by !== 'string'))
    throw new Error('ended has no cause, or nobody for its author');
  return { at: number(at, 'ended.at'), cause, by };
}

function isDescribed(client: Partial<Rest['client']> | null | undefined): boolean {
  return (
    typeof client?.userAgent === 'string' &&
    typeof client.cipher === 'string' &&
    typeof client.port === 'number' &&
    typeof client.attributes === 'object' &&
    client.attributes !== null
  );
}

function isPrior(prior: NonNullable<Rest['prior']> | null): boolean {
  return (
    typeof prior?.hash === 'string' &&
    (prior.kind === 'rotated' || prior.kind === 'superseded') &&
    (prior.until === undefined || Number.isFinite(prior.until))
  );
}

function object<T extends object>(json: string | null | undefined, name: string): T {
  return plain(JSON.parse(text(json, name)) as T, name);
}

function plain<T extends object>(value: T, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${name} is no object`);
  return value;
}

function orNone<T>(value: T | undefined, read: (value: T, name: string) => T, name: string): T | undefined {
  return value === undefined ? undefined : read(value, name);
}

/** Of a column, or what nobody could count with. */
function whole(value: string | null | undefined, name: string): number {
  const found = number(value, name);
  if (!Number.isSafeInteger(found)) throw new Error(`${name} is out of range`);
  return found;
}

function text(value: string | null | undefined, name: string): string {
  if (typeof value !== 'string') throw new Error(`${name} is missing`);
  return value;
}

function number(value: unknown, name: string): number {
  const found = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof found !== 'number' || !Number.isFinite(found)) throw new Error(`${name} is no number`);
  return found;
}

function list(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw new Error(`${name} is no list of texts`);
  return value;
}

function corrupt([id]: Row, error: unknown): SessionError {
  const reason = error instanceof SyntaxError ? 'a column has no JSON' : (error as Error).message;
  return new SessionError('RECORD_CORRUPT', `the row of ${id} cannot be understood: ${reason}`);
}
