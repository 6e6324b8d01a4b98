import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { ClientCode, HeaderField, Refusal } from '@sessionkit/session-core';
import { setFields } from './fields.js';

/** A problem document (RFC 9457). With the type `about:blank` its title is the phrase of the status. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  /** Absent when the application failed rather than the session. */
  readonly code?: ClientCode;
  readonly detail: string;
}

/** The body of a refusal, to be sent as `application/problem+json`. */
export function problem(refusal: Refusal): Problem {
  const { status, code, detail } = refusal;
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, detail };
}

/** An answer made here, ready to send. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly HeaderField[];
  readonly body: string;
}

/** What a refusal looks like on the wire. A redirect has no body. */
export function replyTo(refusal: Refusal): Reply {
  if (refusal.status >= 300 && refusal.status < 400) {
    return { status: refusal.status, headers: [['content-length', '0'], ...refusal.headers], body: '' };
  }
  return reply(refusal.status, problem(refusal), refusal.headers);
}

/** The answer for a fault of the application. Tells nothing about it. */
export const failure: Reply = reply(
  500,
  {
    type: 'about:blank',
    title: 'Internal Server Error',
    status: 500,
    detail: 'The request could not be handled.',
  },
  [['cache-control', 'no-store']],
);

function reply(status: number, document: Problem, headers: readonly HeaderField[]): Reply {
  const body = JSON.stringify(document);
  const length = String(Buffer.byteLength(body));
  return {
    status,
    headers: [['content-type', 'application/problem+json'], ['content-length', length], ...headers],
    body,
  };
}

/**
 * Sends a reply. The rest of the request's body is read and dropped by node once the answer is out, so that the connection
 * can be used again.
 */
export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  end: ServerResponse['end'] = response.end,
): void {
  response.statusCode = reply.status;
  response.statusMessage = '';
  setFields(response, reply.headers);
  if (reply.body === '' || request.method === 'HEAD') end.call(response, undefined, 'utf8');
  else end.call(response, reply.body, 'utf8');
}
