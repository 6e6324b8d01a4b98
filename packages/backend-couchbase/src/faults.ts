import { SessionError } from '@sessionkit/session-core';

// Errors of the SDK: https://docs.couchbase.com/sdk-api/couchbase-node-client/modules.html
// By their names: two copies of the package in one process have classes of their own.
/** Nobody answered, or nobody was there to ask. */
const DOWN: ReadonlySet<string> = new Set([
  'TimeoutError',
  'UnambiguousTimeoutError',
  'ServiceNotAvailableError',
  'TemporaryFailureError',
  'ClusterClosedError',
  'NeedOpenBucketError',
  'ConnectionClosedError',
]);
/** The request was sent, and whether it was done is not known. */
const UNKNOWN: ReadonlySet<string> = new Set([
  'AmbiguousTimeoutError',
  'RequestCanceledError',
  'DurabilityAmbiguousError',
]);
/** It was not done, and may be a little later. */
const LATER: ReadonlySet<string> = new Set([
  'DurabilityImpossibleError',
  'DurableWriteInProgressError',
  'DurableWriteReCommitInProgressError',
  'DocumentLockedError',
]);
const FULL: ReadonlySet<string> = new Set(['QuotaLimitedError', 'RateLimitedError']);

/** What the SDK threw, as a fault of the contract. Its context, which has the key, stays outside; documents are in none of its messages. */
export function faultOf(what: string, error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  const name = nameOf(error);
  const cause = Object.assign(new Error(error instanceof Error ? error.message : String(error)), { name });
  const said = `${what}: Couchbase says ${cause.message} (${name})`;
  if (UNKNOWN.has(name))
    return new SessionError('BACKEND_DOWN', `${said}; whether it was done is not known`, {
      retryable: true,
      cause,
    });
  if (DOWN.has(name)) return down(said, cause);
  if (FULL.has(name)) return new SessionError('BACKEND_FULL', said, { retryable: true, cause });
  if (name === 'ValueTooLargeError') return new SessionError('RECORD_TOO_LARGE', said, { cause });
  return new SessionError('BACKEND_FAILED', said, { retryable: LATER.has(name), cause });
}

export function down(message: string, cause?: unknown): SessionError {
  return new SessionError('BACKEND_DOWN', message, { retryable: true, cause });
}

/** Whether nobody answered in time. */
export function isTimeout(error: unknown): boolean {
  return nameOf(error).endsWith('TimeoutError');
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
