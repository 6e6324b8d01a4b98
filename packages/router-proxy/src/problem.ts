import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import { CLIENT_CODES, type ClientCode, type EndCause, type SessionError } from '@sessionkit/session-core';

/** An answer of the gateway's own, as a problem document (RFC 9457). */
export interface Problem {
  readonly status: number;
  /** `''`: nothing is wrong, and there is no body. */
  readonly detail: string;
  readonly code?: ClientCode | undefined;
}

/** `OPTIONS *`. */
export const NOTHING_TO_SAY: Problem = { status: 204, detail: '' };

export const UNREACHABLE: Problem = {
  status: 502,
  detail: 'The server behind this gateway does not answer.',
};
export const BAD_ANSWER: Problem = {
  status: 502,
  detail: 'The server behind this gateway gave an answer that can not be passed on.',
};
export const TOO_SLOW: Problem = {
  status: 504,
  detail: 'The server behind this gateway did not answer in time.',
};
export const BAD_TARGET: Problem = { status: 400, detail: 'The request target must be a path.' };
export const BAD_HOST: Problem = { status: 400, detail: 'The request must name one host.' };
export const BAD_FRAMING: Problem = {
  status: 400,
  detail: 'HTTP/1.0 knows no Transfer-Encoding.',
};
export const NO_CODING: Problem = {
  status: 501,
  detail: 'This gateway knows no Transfer-Encoding but chunked.',
};
export const BAD_REQUEST: Problem = { status: 400, detail: 'The request can not be passed on as it is.' };
export const NO_UPGRADE: Problem = { status: 501, detail: 'This gateway does not pass WebSockets on.' };
export const NO_TRACE: Problem = { status: 501, detail: 'TRACE is not passed on.' };

/** The session ended under a request. */
export function ended(cause: EndCause | undefined): Problem {
  const code = cause === 'replaced' ? 'session_superseded' : expired(cause);
  return { status: CLIENT_CODES[code], code, detail: 'The session ended while the request was under way.' };
}

function expired(cause: EndCause | undefined): ClientCode {
  return cause === 'idle' || cause === 'duration' ? 'session_expired' : 'session_ended';
}

/** A change of the session that could not be stored; undefined when the client can do nothing about it. */
export function refused({ clientCode }: SessionError): Problem | undefined {
  if (clientCode === undefined) return undefined;
  const detail = 'What the answer changes in the session could not be stored.';
  return { status: CLIENT_CODES[clientCode], code: clientCode, detail };
}

/** Sends a problem in place of an upstream's answer, of which nothing was sent yet. */
export function sendProblem(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
  const { status, detail, code } = problem;
  if (detail === '') {
    response.writeHead(status).end();
    return;
  }
  const title = STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ type: 'about:blank', title, status, ...(code && { code }), detail });
  const fields = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store'];
  fields.push('Content-Length', String(Buffer.byteLength(body)));
  if (status === 503) fields.push('Retry-After', '1');
  // What is left of the upload is not wanted. With HTTP/1.0 nobody is sure where it ends.
  if (!request.complete || request.httpVersionMinor === 0) fields.push('Connection', 'close');
  response.writeHead(status, fields).end(body);
}

/** Breaks an answer off so that no client takes what it has for the whole. */
export function cut(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  // To HTTP/1.0 the end of the connection is the end of the answer; only a reset tells it from a cut.
  if (request.httpVersionMinor === 0 && socket.constructor === Socket) socket.resetAndDestroy();
  response.destroy();
}
