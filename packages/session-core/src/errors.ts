import { type ClientCode, FAULT_CODES, type FaultCode } from './lists.js';

/**
 * A fault: something that should not have happened. Expected outcomes ("no such session", "lost the race") are values.
 *
 * `retryable` says that the same call may succeed a little later without anybody changing anything. A fault never stands
 * for "not found": a store that is down must not look like "nobody is logged in".
 */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly code: FaultCode;
  readonly retryable: boolean;

  constructor(code: FaultCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  /** The code that a client is shown for this fault; undefined means a programming error (500). */
  get clientCode(): ClientCode | undefined {
    return FAULT_CODES[this.code];
  }
}

/** Wraps whatever a driver threw; a {@link SessionError} passes as it is. */
export function toSessionError(error: unknown, message: string): SessionError {
  if (error instanceof SessionError) return error;
  return new SessionError('BACKEND_FAILED', message, { retryable: true, cause: error });
}
