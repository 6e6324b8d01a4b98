import { CLIENT_CODES, type ClientCode, type EndCause, FAULT_CODES, type FaultCode } from './lists.js';

/** Seen by every copy of this package, and by no type: so the declarations for `import` and those for `require` are of one type. */
const BRAND = Symbol.for('sessionkit.SessionError');

/**
 * A fault: something that should not have happened. Expected outcomes ("no such session", "lost the race") are values.
 *
 * `retryable` says that the same call may succeed a little later without anybody changing anything. A fault never stands
 * for "not found": a store that is down must not look like "nobody is logged in".
 */
export class SessionError extends Error {
  /** Two copies of this package in one process (ESM and CommonJS) know each other's faults. */
  static override [Symbol.hasInstance](value: unknown): value is SessionError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  static {
    Object.defineProperty(SessionError.prototype, BRAND, { value: true });
  }

  override readonly name = 'SessionError';
  readonly code: FaultCode;
  readonly retryable: boolean;
  /** The code that a client is shown for this fault; undefined means a programming error (500). */
  readonly clientCode: ClientCode | undefined;

  constructor(
    code: FaultCode,
    message: string,
    options: { retryable?: boolean; cause?: unknown; clientCode?: ClientCode } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.clientCode = options.clientCode ?? FAULT_CODES[code];
  }

  /** HTTP status that goes with {@link clientCode}; 500 without one. Error handlers of Connect, Express and Fastify answer with it. */
  get statusCode(): number {
    return this.clientCode === undefined ? 500 : CLIENT_CODES[this.clientCode];
  }
}

/** Wraps whatever a driver threw; a {@link SessionError} passes as it is. */
export function toSessionError(error: unknown, message: string): SessionError {
  if (error instanceof SessionError) return error;
  return new SessionError('BACKEND_FAILED', message, { retryable: true, cause: error });
}

/** Reason of an aborted {@link Session.signal}: why the session is over for whoever held it. */
export class SessionEnded extends Error {
  override readonly name = 'SessionEnded';

  constructor(readonly endCause: EndCause) {
    super(`the session has ended: ${endCause}`);
  }
}
