import type { Millis } from '@sessionkit/session-core';
import { type AdminError, errorDocument } from './errors.js';
import { validatorFields } from './preconditions.js';
import { render, toBody } from './render.js';
import type { Answer } from './route.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const COMMON_HEADERS: readonly (readonly [string, string])[] = [
  ['Cache-Control', 'no-cache'],
  ['X-Frame-Options', 'Deny'],
  ['X-XSS-Protection', '1'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Referrer-Policy', 'same-origin'],
];

export function answerResponse(
  answer: Answer,
  pretty: boolean,
  onStreamError: (error: unknown) => boolean,
): Response {
  const { status } = answer;
  const validators = 'validators' in answer && answer.validators ? validatorFields(answer.validators) : {};
  if ('document' in answer)
    return new Response(render(answer.document, pretty), {
      status,
      headers: { ...JSON_TYPE, ...validators, ...answer.headers },
    });
  if ('stream' in answer) {
    const headers = { 'Content-Type': 'text/event-stream', ...answer.headers };
    return new Response(answer.stream, { status, headers });
  }
  if ('text' in answer) return new Response(answer.text, { status, headers: answer.headers });
  if (!('pieces' in answer)) return new Response(null, { status, headers: validators });
  return new Response(toBody(answer.pieces(pretty), onStreamError), { status, headers: JSON_TYPE });
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
  for (const [name, value] of COMMON_HEADERS)
    if (!response.headers.has(name)) response.headers.set(name, value);
  return response;
}
