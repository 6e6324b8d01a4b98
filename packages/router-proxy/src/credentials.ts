import { type CredentialCarriers, parseToken } from '@sessionkit/session-core';

/** RFC 6750 section 2.1; the case of the scheme does not count (RFC 9110 section 11.1). */
const BEARER = /^[ \t]*bearer +([^ \t,]+)[ \t]*$/i;

/** A `Cookie` value without the named cookies, the others byte for byte; undefined when none is left. */
export function withoutCookies(value: string, names: readonly string[]): string | undefined {
  if (!names.some((name) => value.includes(name))) return value;
  const parts = value.split(';');
  const kept = parts.filter((part) => !names.includes(nameOf(part)));
  if (kept.length === parts.length) return value;
  const rest = kept.join(';').replace(/^[ \t]+/, '');
  return rest.trim() === '' ? undefined : rest;
}

/**
 * The name under which a browser stores a `Set-Cookie`. Without a name it keeps the value alone, and sends `=sid=x` as `sid=x`
 * (RFC 6265bis section 5.6): such a cookie counts by what it looks like then.
 */
export function setCookieName(value: string): string {
  const semicolon = value.indexOf(';');
  return nameOf((semicolon < 0 ? value : value.slice(0, semicolon)).replace(/^[\s=]+/, ''));
}

/** A target or URL without the named query parameters, the others byte for byte. A name is recognised however it is percent-encoded. */
export function withoutQueries(url: string, names: readonly string[]): string {
  const mark = url.indexOf('?');
  if (mark < 0 || names.length === 0) return url;
  const hash = url.indexOf('#', mark);
  const end = hash < 0 ? url.length : hash;
  const parts = url.slice(mark + 1, end).split('&');
  const kept = parts.filter((part) => !names.includes(parameterName(part)));
  if (kept.length === parts.length) return url;
  const query = kept.length === 0 ? '' : `?${kept.join('&')}`;
  return url.slice(0, mark) + query + url.slice(end);
}

/** Whether an `Authorization` value is a token of ours or a credential of the admin API; anybody else's passes. */
export function isOurAuthorization(value: string, carriers: CredentialCarriers): boolean {
  if (carriers.bearer && value.split(',').some(holdsToken)) return true;
  return carriers.isAdminCredential(value);
}

function holdsToken(value: string): boolean {
  const token = BEARER.exec(value)?.[1];
  return token !== undefined && parseToken(token) !== undefined;
}

function nameOf(pair: string): string {
  const equals = pair.indexOf('=');
  return (equals < 0 ? pair : pair.slice(0, equals)).trim();
}

/** The parser that the transport's parameters go through, so that both understand the same names. */
function parameterName(part: string): string {
  const equals = part.indexOf('=');
  const name = equals < 0 ? part : part.slice(0, equals);
  if (!/[%+]/.test(name)) return name;
  for (const key of new URLSearchParams(`&${name}=`).keys()) return key;
  return name;
}
