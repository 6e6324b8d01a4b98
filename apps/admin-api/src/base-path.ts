import { SessionError } from '@sessionkit/session-core';
import { routingPath } from './request.js';

const FORM = /^(?:\/[\w.~-]+)+$/;
const VERSION = '/v1';
const HEALTH = ['/healthz', '/readyz'];

/**
 * The path under which the API is mounted, such as `/ops/sessions`; `''` at the root.
 *
 * @param routes paths of the API's own routes: the first segment of a base path must be none of theirs, or a request could be read in two ways.
 * @throws SessionError `CONFIG_INVALID`
 */
export function checkBasePath(text: string, routes: readonly string[]): string {
  const base = text.replace(/\/$/, '');
  if (base === '') return '';
  if (!FORM.test(base))
    throw invalid(`must be a path such as "/ops/sessions", of letters, digits and . _ ~ -, not "${text}"`);
  const first = firstSegment(base);
  if (
    [...routes, ...HEALTH].some((route) =>
      [route, withoutVersion(route)].some((path) => firstSegment(path) === first),
    )
  )
    throw invalid(`"${text}" begins like a path of the API itself; mount it under another one`);
  return base;
}

/** The path of a request below where the API is mounted. Frameworks that mount a handler take the base path off before, or they do not: both are fine. */
export function pathBelow(request: Request, base: string): string {
  const path = routingPath(request);
  if (base === '' || !path.startsWith(base)) return path;
  const below = path.slice(base.length);
  if (below === '') return '/';
  return below.startsWith('/') ? below : path;
}

/** `/v1/services` -> `/services`. */
export function withoutVersion(path: string): string {
  return path.startsWith(`${VERSION}/`) ? path.slice(VERSION.length) : path;
}

/** What links begin with after the host, by the path of a route: they have a version when the request had one. */
export function linkBase(base: string, path: string): string {
  return path === VERSION || path.startsWith(`${VERSION}/`) ? `${base}${VERSION}` : base;
}

const firstSegment = (path: string) => path.split('/')[1];

function invalid(what: string): SessionError {
  return new SessionError('CONFIG_INVALID', `basePath: ${what}`);
}
