import type { VisitRequest } from './service.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const NO_ORIGINS: ReadonlySet<string> = new Set();

/** Requests that could change something in the name of whoever's browser sends them. */
export function isUnsafe(request: Pick<VisitRequest, 'method' | 'upgrade'>): boolean {
  return request.upgrade || !SAFE_METHODS.has(request.method);
}

/** A CORS preflight never carries credentials, and what answers it must be reached to allow anything. */
export function isPreflight(request: Pick<VisitRequest, 'method' | 'header'>): boolean {
  return (
    request.method === 'OPTIONS' &&
    request.header('access-control-request-method') !== undefined &&
    request.header('origin') !== undefined
  );
}

/**
 * Whether another site made a browser send the request. `Sec-Fetch-Site` (W3C Fetch Metadata) decides where it is present; else `Origin` (RFC 6454) must
 * name the host and port of the request, scheme ignored; a request with neither does not come from a page.
 */
export function isForeign(
  request: Pick<VisitRequest, 'header' | 'host'>,
  allowOrigins: ReadonlySet<string> = NO_ORIGINS,
): boolean {
  const origin = request.header('origin');
  if (origin !== undefined && allowOrigins.has(origin)) return false;
  const site = request.header('sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  if (origin === undefined) return false;
  if (request.host === undefined || !URL.canParse(origin)) return true;
  const page = new URL(origin);
  // Read with the scheme of the page, so that its default port counts as given on both sides.
  const own = `${page.protocol}//${request.host}`;
  return page.host === '' || !URL.canParse(own) || new URL(own).host !== page.host;
}
