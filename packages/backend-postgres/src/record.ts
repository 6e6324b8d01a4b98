import {
  deadFrom,
  type Ended,
  type Head,
  headOf,
  isSessionId,
  LOG_PARAMETERS,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
} from '@sessionkit/session-core';
import type { Row } from './database.js';
import { type Tables, unstorable } from './options.js';
import type { Value } from './pool.js';

/** Members that have no column of their own: JSON in the column `record`. */
type Rest = Pick<
  SessionRecord,
  'format' | 'writes' | 'secretAt' | 'prior' | 'authenticatedAt' | 'dataVersion' | 'extra'
> & { readonly client: Omit<SessionRecord['client'], 'ip'> };

/** What operators set: JSON in the column `controls`, compared as text to tell whether it changed. */
type Controls = Pick<SessionRecord, 'parameters' | 'filters' | 'restartedAt'>;

/** What a head is read from, in this order. Instants are ms, whatever the column. */
export function headColumns({ c }: Tables): string {
  const plain = [c.sid, c.version, c.service, c.user, c.ip, c.epoch, c.seenAt, c.idle, c.endsAt, c.killAt];
  const json = [c.ended, c.controls, c.record];
  return [...plain.map((name) => `t.${name}`), startOf(c), ...json.map((name) => `t.${name}::text`)].join(
    ', ',
  );
}

/** The start in ms. An infinite one, which only somebody else writes, is none: a number it cannot be made to. */
export function startOf(c: Tables['c']): string {
  return `case when isfinite(t.${c.start}) then (extract(epoch from t.${c.start}) * 1000)::bigint end`;
}

/** What a record is read from: a head, then what a head has not. */
export function recordColumns(tables: Tables): string {
  return `${headColumns(tables)}, t.${tables.c.secretHash}, t.${tables.c.data}::text`;
}

/** The parameters of a save, in the order that the statements expect. */
export function encoded(record: SessionRecord): Value[] {
  const { id, service, user, client, data } = record;
  checkTexts({ id, service, user, 'client.ip': client.ip, data });
  if (record.version === 1 && !isSessionId(id))
    throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
  const { ip, ...rest } = client;
  const { format, writes, secretAt, prior, authenticatedAt, dataVersion, extra } = record;
  return [
    record.id,
    record.version,
    service,
    user ?? null,
    ip,
    record.startedAt,
    stopAt(record),
    record.epoch,
    record.seenAt,
    record.idle,
    record.endsAt,
    record.killAt ?? null,
    deadFrom(record),
    record.secretHash,
    controlsOf(record),
    JSON.stringify({ format, writes, secretAt, prior, authenticatedAt, client: rest, dataVersion, extra }),
    record.data,
  ];
}

/** @throws SessionError `INVALID_VALUE` for a text that a column cannot keep as it is. */
export function checkTexts(texts: Readonly<Record<string, string | undefined>>): void {
  for (const [name, text] of Object.entries(texts))
    if (text !== undefined && unstorable(text))
      throw new SessionError(
        'INVALID_VALUE',
        `${name} has NUL or half of a surrogate pair, which PostgreSQL cannot keep`,
      );
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
