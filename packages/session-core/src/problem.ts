import type { ClientCode } from './lists.js';
import type { Refusal } from './service.js';
import type { HeaderField } from './transport.js';

/** Phrases of the status codes that refusals have (RFC 9110 and RFC 6585). */
const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  409: 'Conflict',
  413: 'Payload Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** A problem document (RFC 9457). With the type `about:blank` its title is the phrase of the status. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  /** Absent when the application failed rather than the session. */
  readonly code?: ClientCode;
  readonly detail: string;
  /** Seconds since a login that would do (the parameter of RFC 9470): there when a newer login is asked for. */
  readonly max_age?: number;
}

/** The body of a refusal, to be sent as `application/problem+json`. */
export function problem({ status, code, detail, maxAge }: Refusal): Problem {
  const title = TITLES[status] ?? 'Error';
  return {
    type: 'about:blank',
    title,
    status,
    code,
    detail,
    ...(maxAge !== undefined && { max_age: maxAge }),
  };
}

/** An answer in place of the application's, ready to send. */
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
  return reply(problem(refusal), refusal.headers);
}

/** The answer for a fault of the application. Tells nothing about it. */
export const failure: Reply = reply(
  {
    type: 'about:blank',
    title: 'Internal Server Error',
    status: 500,
    detail: 'The request could not be handled.',
  },
  [['cache-control', 'no-store']],
);

function reply(document: Problem, headers: readonly HeaderField[]): Reply {
  const body = JSON.stringify(document);
  const length = String(new TextEncoder().encode(body).length);
  return {
    status: document.status,
    headers: [['content-type', 'application/problem+json'], ['content-length', length], ...headers],
    body,
  };
}
