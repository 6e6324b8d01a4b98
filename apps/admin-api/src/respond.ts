import type { Millis } from '@sessionkit/session-core';
import { type AdminError, errorDocument } from './errors.js';
import { render, renderPages, toBody } from './render.js';
import type { Answer } from './route.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const COMMON_HEADERS: readonly (readonly [string, string])[] = [
  ['Cache-Control', 'no-cache'],
  ['X-Frame-Options', 'Deny'],
  ['X-XSS-Protection', '1'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'same-origin'],
];

export function answerResponse(
  answer: Answer,
  pretty: boolean,
  onStreamError: (error: unknown) => boolean,
): Response {
  const { status } = answer;
  if ('document' in answer)
    return new Response(render(answer.document, pretty), { status, headers: JSON_TYPE });
  if (!('pages' in answer || 'pieces' in answer)) return new Response(null, { status });
  const pieces = 'pieces' in answer ? answer.pieces(pretty) : renderPages(answer.pages, answer.self, pretty);
  const body = toBody(pieces, onStreamError);
  return new Response(body, { status, headers: JSON_TYPE });
}

export function errorResponse(error: AdminError, pretty: boolean): Response {
  return new Response(render(errorDocument(error), pretty), {
    status: error.status,
    headers: { ...JSON_TYPE, ...error.headers },
  });
}

/** Sets what every answer carries. */
export function withCommonHeaders(response: Response, now: Millis): Response {
  response.headers.set('Date', new Date(now).toUTCString());
  for (const [name, value] of COMMON_HEADERS) response.headers.set(name, value);
  return response;
}
