import { SessionError } from '@sessionkit/session-core';

/** What a server said instead of storing or finding: an outcome, not a fault. */
export type Refusal = 'NOT_STORED' | 'EXISTS' | 'NOT_FOUND';

const REFUSALS: ReadonlySet<string> = new Set(['NOT_STORED', 'EXISTS', 'NOT_FOUND']);

/** Undefined for what is no outcome of a command. */
export function refusalOf(error: unknown): Refusal | undefined {
  const [said = ''] = saidBy(error) ?? [];
  return REFUSALS.has(said) ? (said as Refusal) : undefined;
}

/** The answer of a server, if that is what the client threw. */
function saidBy(error: unknown): readonly string[] | undefined {
  const { cmdTokens } = (error ?? {}) as { readonly cmdTokens?: unknown };
  return Array.isArray(cmdTokens) ? (cmdTokens as string[]) : undefined;
}

/** What a client threw, as a fault of a backend. */
export function faultOf(error: unknown, server: string): SessionError {
  if (error instanceof SessionError) return error;
  const said = saidBy(error)?.join(' ');
  if (said === undefined)
    return down(`memcached at ${server} is not reachable: ${messageOf(error)}`, bare(error));
  const text = `memcached at ${server} says: ${said}`;
  if (/too large/.test(said)) return new SessionError('RECORD_TOO_LARGE', text);
  if (/out of memory|no memory/i.test(said))
    return new SessionError('BACKEND_FULL', text, { retryable: true });
  // A server that cannot take it now says SERVER_ERROR; whatever else is said is not for want of another try.
  return new SessionError('BACKEND_FAILED', text, { retryable: said.startsWith('SERVER_ERROR') });
}

export function down(message: string, cause?: unknown): SessionError {
  return new SessionError('BACKEND_DOWN', message, { retryable: true, cause });
}

export function gaveUp(): SessionError {
  return new SessionError('BACKEND_FAILED', 'the caller has stopped waiting', { retryable: true });
}

/** The error without what a client may have hung on it. */
function bare(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const error = new Error(thrown.message);
  error.name = thrown.name;
  if (thrown.stack !== undefined) error.stack = thrown.stack;
  if ('code' in thrown) Object.assign(error, { code: thrown.code });
  return error;
}

function messageOf(error: unknown): string {
  // Several addresses of one name fail together, without a message.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
