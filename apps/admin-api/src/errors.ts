import { CLIENT_CODES, type FaultCode, SessionError } from '@sessionkit/session-core';

/** An answer that is an error. Its details are shown to the client: they hold no input but checked ids, and no internals. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  readonly status: number;
  readonly details: readonly string[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    details: string | readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(`answered ${status}`);
    this.status = status;
    this.details = typeof details === 'string' ? [details] : details;
    this.headers = headers;
  }
}

/** Body of every error. */
export interface ErrorDocument {
  readonly errors: readonly { readonly detail: string }[];
}

export function errorDocument(error: AdminError): ErrorDocument {
  return { errors: error.details.map((detail) => ({ detail })) };
}

export const notFound = () => new AdminError(404, 'There is nothing at this path with this method.');

/** What a client is told of a fault. Codes that are not here are our own mistakes (500). */
const FAULT_DETAILS: Partial<Record<FaultCode, string>> = {
  BACKEND_DOWN: 'The session store cannot be reached. Try again.',
  BACKEND_FAILED: 'The session store failed; whether a change was made is not known. Look, and try again.',
  BACKEND_FULL: 'The session store is full.',
  BACKEND_CLOSED: 'The session store is closed: the process is stopping.',
  RECORD_CORRUPT: 'The record of a session cannot be read.',
  CONFLICT: 'The session is being changed by others at the same moment. Try again.',
};

/** Turns whatever was thrown into an answer; undefined when it is a mistake of ours. */
export function toAdminError(error: unknown): AdminError | undefined {
  if (error instanceof AdminError) return error;
  if (!(error instanceof SessionError)) return undefined;
  if (error.code === 'UNSUPPORTED') return new AdminError(501, 'The session store cannot do this.');
  if (error.clientCode === undefined) return undefined;
  const detail = FAULT_DETAILS[error.code];
  return detail === undefined ? undefined : new AdminError(CLIENT_CODES[error.clientCode], detail);
}
