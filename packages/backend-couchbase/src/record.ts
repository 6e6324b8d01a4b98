import {
  deadFrom,
  type Ended,
  type Json,
  LOG_PARAMETERS,
  type Millis,
  type PriorSecret,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
} from '@sessionkit/session-core';
import type { Field } from './options.js';

/** The member `session` of a document: a record without its id and data. */
type Stored = Omit<SessionRecord, 'id' | 'data'>;

const LAST_TIME = 8.64e15;

/**
 * A record as the JSON of its document. What people look for stands beside `session`, and is read by nobody here.
 *
 * @throws SessionError `INVALID_VALUE`
 */
export function encoded(record: SessionRecord, names: Readonly<Record<Field, string>>, due: Millis): string {
  const { id, data, user, service, client, ...rest } = record;
  const { version, epoch, secretAt, startedAt, seenAt, idle, endsAt, killAt = 0, dataVersion } = record;
  const numbers = { version, epoch, secretAt, startedAt, seenAt, idle, endsAt, killAt, dataVersion };
  for (const [name, number] of Object.entries(numbers))
    if (!Number.isFinite(number))
      throw new SessionError('INVALID_VALUE', `${name} is ${number}, which JSON cannot keep`);
  const parameters = LOG_PARAMETERS.filter((name) => record.parameters[name] !== undefined);
  return JSON.stringify({
    [names.token]: id,
    [names.ip]: client.ip,
    [names.start]: timeOf(record.startedAt),
    [names.stop]: timeOf(stopAt(record)),
    user: user ?? null,
    service,
    due,
    session: {
      ...rest,
      user,
      service,
      client,
      parameters: Object.fromEntries(parameters.map((name) => [name, record.parameters[name]])),
    } satisfies Stored,
    data,
  });
}

/** When the server may forget a session: one that is used lives on, so that its end need not be moved with each use. */
export function dueAt(record: Pick<SessionRecord, 'seenAt' | 'idle' | 'endsAt' | 'killAt'>): Millis {
  return Math.min(stopAt(record), Math.max(deadFrom(record), record.seenAt + 2 * record.idle));
}

function timeOf(ms: Millis): string | null {
  return Math.abs(ms) <= LAST_TIME ? new Date(ms).toISOString() : null;
}

/** A record from its document, or the fault `RECORD_CORRUPT` in its place. */
export function decoded(
  id: SessionId,
  content: unknown,
  seenAt: Millis | undefined,
): SessionRecord | SessionError {
  try {
    const { session, data } = plain(content as { session?: unknown; data?: unknown }, 'the document');
    return recordOf(id, session, text(data, 'data'), seenAt);
  } catch (error) {
    return corrupt(id, error);
  }
}

/** As {@link decoded}, from the member `session` alone: without data. */
export function decodedHead(
  id: SessionId,
  session: unknown,
  seenAt: Millis | undefined,
): SessionRecord | SessionError {
  try {
    return recordOf(id, session, '', seenAt);
  } catch (error) {
    return corrupt(id, error);
  }
}

/** One literal with every member: an object that is spread costs many times more. */
function recordOf(id: SessionId, session: unknown, data: string, seenAt: Millis | undefined): SessionRecord {
  const stored = plain(session as Partial<Record<keyof Stored, unknown>>, 'session');
  const version = number(stored.version, 'version');
  if (!Number.isSafeInteger(version) || version < 1) throw new Error('version is none');
  const ended = orNone(stored.ended, endedOf, 'ended');
  const used = number(stored.seenAt, 'seenAt');
  return {
    format: number(stored.format, 'format'),
    id,
    version,
    writes: list(stored.writes, 'writes'),
    service: text(stored.service, 'service'),
    user: orNone(stored.user, text, 'user'),
    epoch: number(stored.epoch, 'epoch'),
    secretHash: text(stored.secretHash, 'the hash of the secret'),
    secretAt: number(stored.secretAt, 'secretAt'),
    prior: orNone(stored.prior, priorOf, 'prior'),
    startedAt: number(stored.startedAt, 'startedAt'),
    authenticatedAt: orNone(stored.authenticatedAt, number, 'authenticatedAt'),
    seenAt: ended === undefined && seenAt !== undefined && seenAt > used ? seenAt : used,
    idle: number(stored.idle, 'idle'),
    endsAt: number(stored.endsAt, 'endsAt'),
    killAt: orNone(stored.killAt, number, 'killAt'),
    ended,
    client: clientOf(stored.client),
    parameters: plain(stored.parameters as SessionRecord['parameters'], 'parameters'),
    filters: orNone(stored.filters, list, 'filters'),
    restartedAt: orNone(stored.restartedAt, number, 'restartedAt'),
    dataVersion: number(stored.dataVersion, 'dataVersion'),
    data,
    extra: orNone(stored.extra as SessionRecord['extra'], extraOf, 'extra'),
  };
}

function clientOf(value: unknown): SessionRecord['client'] {
  const client = plain(value as SessionRecord['client'], 'client');
  return {
    ip: text(client.ip, 'client.ip'),
    port: number(client.port, 'client.port'),
    cipher: text(client.cipher, 'client.cipher'),
    userAgent: text(client.userAgent, 'client.userAgent'),
    attributes: plain(client.attributes, 'client.attributes'),
  };
}

function endedOf(value: unknown): Ended {
  const { at, cause, by } = plain(value as Ended, 'ended');
  return {
    at: number(at, 'ended.at'),
    cause: text(cause, 'ended.cause') as Ended['cause'],
    by: orNone(by, text, 'ended.by'),
  };
}

function priorOf(value: unknown): PriorSecret {
  const { hash, kind, until } = plain(value as PriorSecret, 'prior');
  if (kind !== 'rotated' && kind !== 'superseded') throw new Error('prior is no secret before this one');
  return { hash: text(hash, 'prior.hash'), kind, until: orNone(until, number, 'prior.until') };
}

function extraOf(value: SessionRecord['extra'], name: string): Readonly<Record<string, Json>> {
  return plain(value, name);
}

function plain<T extends object>(value: T | undefined, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Buffer.isBuffer(value))
    throw new Error(`${name} is no object`);
  return value;
}

function orNone<T, V>(value: V, read: (value: V, name: string) => T, name: string): T | undefined {
  return value === undefined ? undefined : read(value, name);
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new Error(`${name} is no text`);
  return value;
}

function number(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${name} is no number`);
  return value;
}

function list(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw new Error(`${name} is no list of texts`);
  return value;
}

function corrupt(id: SessionId, error: unknown): SessionError {
  return new SessionError(
    'RECORD_CORRUPT',
    `the document of ${id} cannot be understood: ${(error as Error).message}`,
  );
}
