import { SessionError } from '@sessionkit/session-core';
import { Unreplicated } from './durable.js';

const REPLY_NAMES = new Set(['ReplyError', 'SimpleError', 'BlobError', 'ErrorReply']);
/** A server that is coming up, or that is no primary (of this slot) at the moment: the same command will be taken later, here or elsewhere. */
const NOT_NOW = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|NOREPLICAS|MOVED|ASK|BUSY|UNKILLABLE)\b/;
const FULL = /\bOOM command not allowed|^OOM\b/;

/** Whether the server answered and refused, as opposed to not having been reached. */
export function isReplyFault(error: unknown): error is Error {
  return error instanceof Error && (REPLY_NAMES.has(error.name) || REPLY_NAMES.has(error.constructor.name));
}

/** What a driver threw, as a fault of a backend; `outage`: why the server cannot be reached, which a command that was not sent does not know. */
export function faultOf(thrown: unknown, what: string, outage?: Error): SessionError {
  if (thrown instanceof SessionError) return thrown;
  const error = bare(thrown);
  if (thrown instanceof Unreplicated)
    return new SessionError('BACKEND_FAILED', `${what}: it is not certain that the replicas have it`, {
      retryable: true,
      cause: error,
    });
  if (!isReplyFault(thrown))
    return new SessionError(
      'BACKEND_DOWN',
      `${what}: Redis could not be reached${outage === undefined ? '' : `: ${outage.message}`}`,
      { retryable: true, cause: error },
    );
  const { message } = thrown;
  if (FULL.test(message))
    return new SessionError('BACKEND_FULL', `${what}: Redis has no memory left (maxmemory)`, {
      retryable: true,
      cause: error,
    });
  if (message.startsWith('WRONGTYPE'))
    return new SessionError('RECORD_CORRUPT', `${what}: a key of this prefix holds something else`, {
      cause: error,
    });
  if (NOT_NOW.test(message))
    return new SessionError('BACKEND_DOWN', `${what}: Redis takes no commands now`, {
      retryable: true,
      cause: error,
    });
  return new SessionError('BACKEND_FAILED', `${what}: Redis refused it`, {
    retryable: lateAt(thrown) !== undefined,
    cause: error,
  });
}

/** What ioredis says of a command while it has no connection: it names an option, which is as it has to be. */
const UNCONNECTED = /Stream isn't writeable and enableOfflineQueue options is false/g;

/** The error without what a driver hangs on it: ioredis adds the command with its arguments, which are the session's data. */
export function bare(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const plain = (text: string) => text.replace(UNCONNECTED, 'there is no connection at present');
  const error = new Error(plain(thrown.message));
  error.name = thrown.name;
  if (thrown.stack !== undefined) error.stack = plain(thrown.stack);
  if ('code' in thrown) Object.assign(error, { code: thrown.code });
  return error;
}

/** The store's time, in ms, when a script refused a write because its time was over; undefined for any other error. */
export function lateAt(error: unknown): number | undefined {
  const [, time] = /^LATE (\d+)/.exec(error instanceof Error ? error.message : '') ?? [];
  return time === undefined ? undefined : Number(time);
}
