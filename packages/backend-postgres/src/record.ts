import {
  deadFrom,
  type Head,
  headOf,
  isSessionId,
  LOG_PARAMETERS,
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
import { type Tables, unstorable } from './options.js';
import type { Value } from './pool.js';

/** Members that have no column of their own: JSON in the column `record`. */
type Rest = Pick<
  SessionRecord,
  'format' | 'writes' | 'secretAt' | 'prior' | 'authenticatedAt' | 'dataVersion' | 'extra'
> & { readonly client: Omit<SessionRecord['client'], 'ip'> };

type Extra = NonNullable<SessionRecord['extra']>;

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
