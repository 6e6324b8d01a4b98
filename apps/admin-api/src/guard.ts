import { BlockList, isIP, isIPv6 } from 'node:net';
import { isForeign } from '@sessionkit/session-core';
import { AdminError } from './errors.js';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);
const HOST_FORM = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** `Host` of a request, or of its URL where there is none (a call in process). @throws AdminError 400 */
export function hostOf(request: Request): string {
  const host = request.headers.get('host') ?? new URL(request.url).host;
  if (!HOST_FORM.test(host))
    throw new AdminError(400, 'The Host header is not a host name with an optional port.');
  return host;
}

/**
 * Refuses a host that is neither loopback, nor configured, nor the listener itself: a page of another site could have had its name resolve to this address
 * (DNS rebinding).
 * @param configured as {@link hostName} writes them
 * @throws AdminError 421
 */
export function checkHost(host: string, configured: ReadonlySet<string>, own: readonly string[]): void {
  const name = hostName(host);
  if (LOOPBACK_NAMES.has(name) || configured.has(name) || own.some((one) => hostName(one) === name)) return;
  throw new AdminError(
    421,
    'The Host header names no host of this API. Add the name to admin.hosts to allow it.',
  );
}

/** The name in a host: lower case, without port and final dot, IPv6 addresses in brackets. */
export function hostName(host: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(host)?.[1];
  // An IPv4 client of a listener on `::`.
  if (mapped !== undefined) return mapped;
  if (isIPv6(host)) return `[${host.toLowerCase()}]`;
  return host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an address, or the name `localhost`, is of this machine only. An IPv4 address may be written as IPv6. */
export function isLoopback(address: string): boolean {
  if (address === 'localhost') return true;
  const family = isIP(address);
  return family !== 0 && LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Refuses a change that a page of another site asks for, whatever its credentials. @throws AdminError 403 */
export function checkSite(request: Request, host: string): void {
  if (!UNSAFE.has(request.method)) return;
  const header = (name: string) => request.headers.get(name) ?? undefined;
  if (!isForeign({ header, host })) return;
  throw new AdminError(403, 'A page of another site may not change anything here.');
}
