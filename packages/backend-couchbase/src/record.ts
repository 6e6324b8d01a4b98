import {
  deadFrom,
  LOG_PARAMETERS,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  storedClient,
  storedEnded,
  storedNumber,
  storedObject,
  storedOptional,
  storedPrior,
  storedText,
  storedTexts,
  storedVersion,
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
    const { session, data } = storedObject<{ session?: unknown; data?: unknown }>(content, 'the document');
    return recordOf(id, session, storedText(data, 'data'), seenAt);
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
  const stored = storedObject<Partial<Record<keyof Stored, unknown>>>(session, 'session');
  const ended = storedOptional(stored.ended, storedEnded, 'ended');
  const used = storedNumber(stored.seenAt, 'seenAt');
  return {
    format: storedNumber(stored.format, 'format'),
    id,
    version: storedVersion(stored.version),
    writes: storedTexts(stored.writes, 'writes'),
    service: storedText(stored.service, 'service'),
    user: storedOptional(stored.user, storedText, 'user'),
    epoch: storedNumber(stored.epoch, 'epoch'),
    secretHash: storedText(stored.secretHash, 'the hash of the secret'),
    secretAt: storedNumber(stored.secretAt, 'secretAt'),
    prior: storedOptional(stored.prior, storedPrior, 'prior'),
    startedAt: storedNumber(stored.startedAt, 'startedAt'),
    authenticatedAt: storedOptional(stored.authenticatedAt, storedNumber, 'authenticatedAt'),
    seenAt: ended === undefined && seenAt !== undefined && seenAt > used ? seenAt : used,
    idle: storedNumber(stored.idle, 'idle'),
    endsAt: storedNumber(stored.endsAt, 'endsAt'),
    killAt: storedOptional(stored.killAt, storedNumber, 'killAt'),
    ended,
    client: storedClient(stored.client),
    parameters: storedObject(stored.parameters, 'parameters'),
    filters: storedOptional(stored.filters, storedTexts, 'filters'),
    restartedAt: storedOptional(stored.restartedAt, storedNumber, 'restartedAt'),
    dataVersion: storedNumber(stored.dataVersion, 'dataVersion'),
    data,
    extra: storedOptional(stored.extra, storedObject<NonNullable<Stored['extra']>>, 'extra'),
  };
}

function corrupt(id: SessionId, error: unknown): SessionError {
  return new SessionError(
    'RECORD_CORRUPT',
    `the document of ${id} cannot be understood: ${(error as Error).message}`,
  );
}
