import type { CredentialCarriers, Exchange } from '@sessionkit/session-core';
import { setCookieName } from './credentials.js';
import { dashed, inPairs, isHopByHop, isSessionField, nominated, type RawFields } from './fields.js';

/** Fields of an upstream's head, trailer or 1xx that the client may see: end-to-end, without credentials and steering. */
export function upstreamFields(raw: RawFields, carriers: CredentialCarriers): string[] {
  const names = nominated(raw);
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    const key = name.toLowerCase();
    if (isHopByHop(key, names) || key === 'session-token' || key === 'authorization') continue;
    if (isSessionField(dashed(key))) continue;
    if (key === 'set-cookie' && carriers.cookies.includes(setCookieName(value))) continue;
    fields.push(name, value);
  }
  return fields;
}

/** undici gives the bytes; its own decoding takes them for UTF-8. */
export function latin1(raw: unknown): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part: unknown) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)));
}

/** Passes the links of a 103 on (RFC 8297). */
export function earlyHints(
  { request, response }: Exchange,
  raw: RawFields,
  carriers: CredentialCarriers,
): void {
  if (request.httpVersionMinor === 0) return;
  const pairs = inPairs(upstreamFields(raw, carriers));
  const link = pairs.filter(([name]) => name.toLowerCase() === 'link').map(([, value]) => value);
  try {
    if (link.length > 0) response.writeEarlyHints({ link });
  } catch {
    // Only a hint, and node takes no link that it does not understand.
  }
}

/** RFC 9110 section 8.6: some servers send it with a 204 all the same, and clients then wait for a body. */
export function dropLength(fields: string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    if (fields[i]?.toLowerCase() === 'content-length') fields.splice(i, 2);
  }
}
