import type { CredentialCarriers, Exchange, Millis, Session } from '@sessionkit/session-core';
import { isOurAuthorization, withoutCookies, withoutQueries } from './credentials.js';
import { dashed, isHopByHop, isSessionField, nominated, type RawFields } from './fields.js';
import { signatureOf } from './signature.js';
import { pathOf } from './target.js';

/** Most bytes of encoded data that a request carries; many servers stop at 8 kB of head. */
const MAX_DATA = 4_096;

/**
 * What a client says about itself that is the gateway's to say, and `Proxy`, which CGI takes for a proxy to use (CVE-2016-5385). undici knows no
 * `Expect`; node has answered it already.
 */
const REPLACED = new Set(['expect', 'forwarded', 'host', 'proxy', 'x-real-ip', 'x-request-id']);

/** Fields of the client that go up: end-to-end, without credentials, without what is the gateway's to say. */
export function clientFields(raw: RawFields, carriers: CredentialCarriers): string[] {
  const names = nominated(raw);
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const key = name.toLowerCase();
    if (isHopByHop(key, names)) continue;
    const dash = dashed(key);
    if (isSessionField(dash) || REPLACED.has(dash) || dash.startsWith('x-forwarded-')) continue;
    const value = cleaned(key, raw[i + 1] ?? '', carriers);
    if (value !== undefined) fields.push(name, value);
  }
  return fields;
}

function cleaned(key: string, value: string, carriers: CredentialCarriers): string | undefined {
  switch (key) {
    case 'cookie':
      return withoutCookies(value, carriers.cookies);
    case 'authorization':
      return isOurAuthorization(value, carriers) ? undefined : value;
    case 'referer':
      return withoutQueries(value, carriers.queries);
    default:
      return value;
  }
}

/** Where the request comes from. No chain that the client claims is believed. */
export function forwardedFields(exchange: Exchange): string[] {
  const { host, scheme, clientAddress, requestId } = exchange;
  const fields = ['X-Forwarded-For', clientAddress, 'X-Forwarded-Proto', scheme];
  if (host !== '') fields.push('X-Forwarded-Host', host, 'Host', host);
  fields.push('X-Request-Id', requestId);
  return fields;
}

/** What a signature is made for. */
export interface Signing {
  readonly key: string;
  readonly now: Millis;
  readonly method: string;
  readonly target: string;
}

/** The open session. */
export function sessionFields(session: Session, signing: Signing | undefined): string[] {
  const id = session.id ?? '-';
  const fields: string[] = ['X-Session-Id', id];
  let user = '';
  let data = '';
  if (session.id !== undefined) {
    if (session.user !== undefined) {
      user = encodeURIComponent(session.user);
      fields.push('X-Session-User', user);
    }
    // The text has one key per line, and JSON has no raw newline elsewhere.
    const json = session.text.replaceAll('\n', '');
    if (json !== '{}') {
      const length = Math.ceil((Buffer.byteLength(json) * 4) / 3);
      if (length > MAX_DATA) {
        fields.push('X-Session-Data-Omitted', String(length));
      } else {
        data = Buffer.from(json).toString('base64url');
        fields.push('X-Session-Data', data);
      }
    }
  }
  if (signing !== undefined) {
    const { key, now, method, target } = signing;
    const signature = signatureOf({ method, path: pathOf(target), id, user, data }, key, now);
    fields.push('X-Session-Signature', signature);
  }
  return fields;
}
