import { SessionError } from '@sessionkit/session-core';

// Numbers of errors: https://mariadb.com/kb/en/mariadb-error-codes/ and https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
/** Full of connections, shutting down, killed, interrupted, timed out, read-only after a fail-over, a node of a cluster that is not ready. */
const DOWN: ReadonlySet<number> = new Set([
  1040, 1042, 1043, 1047, 1053, 1077, 1079, 1129, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1226, 1290,
  1317, 1792, 1836, 1927, 1969, 2006, 2013, 3024, 3168, 3169, 4031,
]);
/** The disk, a table, or memory. */
const FULL: ReadonlySet<number> = new Set([1021, 1037, 1038, 1041, 1114, 1135]);
const TOO_LARGE: ReadonlySet<number> = new Set([1118, 1153, 1301, 1406]);
/** No number, out of range, a character that the column has not, or a condition of the table that somebody has set. */
const BAD_VALUE: ReadonlySet<number> = new Set([
  1048, 1264, 1265, 1292, 1300, 1366, 1367, 1690, 3819, 3988, 4025,
]);
/** The transaction was undone, and can be done again: a deadlock, a row changed since the snapshot, a conflict between nodes. */
const UNDONE: ReadonlySet<number> = new Set([1020, 1213, 1180, 3101]);
/** A statement that the connection thinks prepared is not, or a connection that will take nothing more. */
const SPOILT: ReadonlySet<number> = new Set([
  1053, 1153, 1158, 1159, 1160, 1161, 1243, 1290, 1615, 1792, 1836, 1927, 3169, 4031,
]);
const DUPLICATE = 1062;

interface ServerError extends Error {
  readonly errno: number;
  readonly sqlState: string;
}

/** What a driver or server threw, as a fault of the contract. The message of the server is left out where it may quote the row. */
export function faultOf(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  if (!isServerError(error)) {
    if (error instanceof TypeError || error instanceof RangeError)
      return new SessionError('BACKEND_FAILED', `MySQL could not be asked: ${error.message}`, {
        cause: error,
      });
    return down(`MySQL is not reachable: ${messageOf(error)}`, error);
  }
  const { errno, sqlState } = error;
  const quotes = BAD_VALUE.has(errno) || errno === DUPLICATE;
  const said = quotes ? 'a value was refused' : error.message;
  const cause = Object.assign(new Error(said), { errno, sqlState });
  const text = `MySQL says: ${said} (${errno})`;
  if (DOWN.has(errno)) return down(text, cause);
  if (FULL.has(errno) || /\berror:? 28\b/i.test(said))
    return new SessionError('BACKEND_FULL', text, { retryable: true, cause });
  if (TOO_LARGE.has(errno)) return new SessionError('RECORD_TOO_LARGE', text, { cause });
  if (BAD_VALUE.has(errno)) return new SessionError('INVALID_VALUE', text, { cause });
  return new SessionError('BACKEND_FAILED', text, { retryable: UNDONE.has(errno), cause });
}

export function down(message: string, cause?: unknown): SessionError {
  return new SessionError('BACKEND_DOWN', message, { retryable: true, cause });
}

/** Whether the connection on which this happened must not be used again. */
export function isSpoilt(error: unknown): boolean {
  const { errno, fatal } = asServerError(error) as Partial<ServerError> & { readonly fatal?: boolean };
  return errno === undefined || fatal === true || SPOILT.has(errno);
}

/** Whether the server undid the transaction and it can be done again. */
export function isUndone(error: unknown): boolean {
  return UNDONE.has((asServerError(error) as Partial<ServerError>).errno ?? 0);
}

export function isDuplicate(error: unknown): boolean {
  return (asServerError(error) as Partial<ServerError>).errno === DUPLICATE;
}

/** What the server said, also as the cause of a fault of ours; an empty object when it said nothing. */
function asServerError(error: unknown): object {
  if (error instanceof SessionError) return asServerError(error.cause);
  return isServerError(error) ? error : {};
}

/** An error that the server reported: it has an SQLSTATE, which those of the driver and of the system have not. */
function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error)) return false;
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && typeof sqlState === 'string' && sqlState !== '';
}

function messageOf(error: unknown): string {
  // Several addresses of one name fail together, without a message.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
