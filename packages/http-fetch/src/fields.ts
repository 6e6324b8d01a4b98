import type { HeaderField, Reply } from '@sessionkit/session-core';
import vary from 'vary';

/** Fields of an answer that stay when another one takes its place: they speak of the connection, or of every answer of the application. */
export const LASTING = /^(access-control-.*|connection|date|strict-transport-security|vary)$/;

/**
 * Sets fields on an answer beside what the application set: a cookie and a challenge are added, `Vary` and `Access-Control-Expose-Headers`
 * extended, others replaced.
 */
function setFields(headers: Headers, fields: readonly HeaderField[]): void {
  for (const [name, value] of fields) {
    switch (name.toLowerCase()) {
      case 'set-cookie':
      case 'www-authenticate':
        headers.append(name, value);
        break;
      case 'vary':
      case 'access-control-expose-headers':
        headers.set(name, vary.append(headers.get(name) ?? '', value));
        break;
      default:
        headers.set(name, value);
    }
  }
}

/** The answer with the fields set. One whose headers can't be changed, such as that of `Response.redirect`, is made anew. */
export function withFields(response: Response, fields: readonly HeaderField[]): Response {
  if (fields.length === 0) return response;
  try {
    setFields(response.headers, fields);
    return response;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { status, statusText } = response;
    const copy = new Response(response.body, { status, statusText, headers: response.headers });
    setFields(copy.headers, fields);
    return copy;
  }
}

/** Adds fields of another answer that `headers` has not, and its cookies. */
export function keepFields(headers: Headers, others: Headers, kept: RegExp): void {
  for (const [name, value] of others) {
    if (!kept.test(name)) continue;
    if (name === 'set-cookie' || name === 'vary' || name === 'access-control-expose-headers') {
      setFields(headers, [[name, value]]);
    } else if (!headers.has(name)) headers.set(name, value);
  }
}

/** An answer made here. */
export function toResponse({ status, headers, body }: Reply, method: string): Response {
  const own = new Headers();
  setFields(own, headers);
  return new Response(body === '' || method === 'HEAD' ? null : body, { status, headers: own });
}
