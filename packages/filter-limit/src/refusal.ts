import { CLIENT_CODES, type Exchange, type Millis } from '@sessionkit/session-core';

/** Answers a request that is one too many. `wait`: when another one will be let through, as far as that is known. */
export function refuse({ request, response }: Exchange, wait: Millis): void {
  const status = CLIENT_CODES.too_many;
  const body = JSON.stringify({
    type: 'about:blank',
    title: 'Too Many Requests',
    status,
    code: 'too_many',
    detail: 'The session sends too many requests; try again later.',
  });
  response.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(body),
    'Retry-After': Math.max(1, Math.ceil(wait / 1000)),
    // What is left of the upload is not wanted. With HTTP/1.0 nobody is sure where it ends.
    ...((!request.complete || request.httpVersionMinor === 0) && { Connection: 'close' }),
  });
  response.end(body);
}
