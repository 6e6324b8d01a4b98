import type { VisitRequest } from './service.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Requests that could change something in the name of whoever's browser sends them. */
export function isUnsafe(request: VisitRequest): boolean {
  return request.upgrade || !SAFE_METHODS.has(request.method);
}

/**
 * Whether another site made a browser send the request. `Sec-Fetch-Site` (W3C Fetch Metadata) decides where it is present; else `Origin` (RFC 6454) is
 * compared with the host, scheme ignored; a request with neither does not come from a page.
 */
export function isForeign(request: VisitRequest, allowOrigins: ReadonlySet<string>): boolean {
  const origin = request.header('origin');
  if (origin !== undefined && allowOrigins.has(origin)) return false;
  const site = request.header('sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  if (origin === undefined) return false;
  const separator = origin.indexOf('://');
  if (separator < 0 || request.host === undefined) return true;
  const port = origin.startsWith('https:') ? '443' : '80';
  return withoutPort(origin.slice(separator + 3), [port]) !== withoutPort(request.host, ['80', '443']);
}

function withoutPort(host: string, defaults: readonly string[]): string {
  const lower = host.toLowerCase();
  for (const port of defaults) {
    if (lower.endsWith(`:${port}`)) return lower.slice(0, -port.length - 1);
  }
  return lower;
}
