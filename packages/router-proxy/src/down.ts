import type { CredentialCarriers } from '@sessionkit/session-core';
import { setCookieName } from './credentials.js';
import { dashed, isHopByHop, isSessionField, nominated, type RawFields } from './fields.js';

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
