import type { IncomingMessage } from 'node:http';

/** The parts of a request target (RFC 9112 section 3.2). */
export interface Target {
  readonly path: string;
  /** What follows the first `?`, undecoded; `''` when there is none. */
  readonly query: string;
  /** Authority of a target in absolute form, which goes before `Host`. */
  readonly authority: string | undefined;
}

/** Connect and Express take the mount path out of `url` and keep what the client sent in `originalUrl`. */
function sentUrl(request: IncomingMessage): string {
  const { originalUrl } = request as IncomingMessage & { readonly originalUrl?: unknown };
  return typeof originalUrl === 'string' ? originalUrl : (request.url ?? '/');
}

export function targetOf(request: IncomingMessage): Target {
  let text = sentUrl(request);
  let authority: string | undefined;
  if (text.charCodeAt(0) !== 47) {
    const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(text);
    if (absolute !== null) {
      authority = absolute[1];
      text = text.slice(absolute[0].length);
      if (text.charCodeAt(0) !== 47) text = `/${text}`;
    }
  }
  // A fragment has no place here, but routers cut it off, so that a path rule has to see what they see.
  const hash = text.indexOf('#');
  if (hash >= 0) text = text.slice(0, hash);
  const mark = text.indexOf('?');
  if (mark < 0) return { path: text, query: '', authority };
  return { path: text.slice(0, mark), query: text.slice(mark + 1), authority };
}

/** How a request is called in a log: method and path, never the query, which may hold a token. */
export function describe(request: IncomingMessage): string {
  return `${request.method ?? 'GET'} ${targetOf(request).path}`;
}
