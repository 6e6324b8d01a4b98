import { SessionError } from '@sessionkit/session-core';

/** SQLSTATE classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const DOWN = /^(?:08|57P0|57014$|53300$|25006$)/;
const FULL = /^(?:53100|53200)$/;
const TOO_LARGE = /^54/;
/** No JSON, no number, or a character that the encoding of the database has not. */
const BAD_VALUE = /^22/;
const RETRYABLE = /^(?:40001|40P01|55P03|55006|53)/;
/** After these a connection is of no use: gone, read-only, or its prepared statements are not what it thinks. */
const SPOILT = /^(?:08|57P0|25|26|0A000$)/;

interface DatabaseError extends Error {
  readonly code: string;
  readonly constraint?: string | undefined;
}

/** What a driver or server threw, as a fault of the contract. Details are left out: they may quote the row. */
export function faultOf(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  if (!isDatabaseError(error)) {
    if (error instanceof TypeError || error instanceof RangeError)
      return new SessionError('BACKEND_FAILED', `PostgreSQL could not be asked: ${error.message}`, {
        cause: error,
      });
    return down(`PostgreSQL is not reachable: ${messageOf(error)}`, error);
  }
  const { code } = error;
  const cause = withoutDetail(error);
  const text = `PostgreSQL says: ${error.message} (${code})`;
  if (DOWN.test(code)) return down(text, cause);
  if (FULL.test(code)) return new SessionError('BACKEND_FULL', text, { retryable: true, cause });
  if (TOO_LARGE.test(code)) return new SessionError('RECORD_TOO_LARGE', text, { cause });
  if (BAD_VALUE.test(code)) return new SessionError('INVALID_VALUE', text, { cause });
  return new SessionError('BACKEND_FAILED', text, { retryable: RETRYABLE.test(code), cause });
}

export function down(message: string, cause?: unknown): SessionError {
  return new SessionError('BACKEND_DOWN', message, { retryable: true, cause });
}

/** Whether the connection on which this happened must not be used again. */
export function isSpoilt(error: unknown): boolean {
  return !isDatabaseError(error) || SPOILT.test(error.code);
}

/** An error that the server reported: its code is an SQLSTATE, which those of the system are not. */
function isDatabaseError(error: unknown): error is DatabaseError {
  if (!(error instanceof Error)) return false;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && typeof severity === 'string';
}

function withoutDetail(error: DatabaseError): Error {
  const { code, constraint } = error;
  return Object.assign(new Error(error.message), {
    code,
    ...(constraint === undefined ? {} : { constraint }),
  });
}

function messageOf(error: unknown): string {
  // Several addresses of one name fail together, without a message.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
