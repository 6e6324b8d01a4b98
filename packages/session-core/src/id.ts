import { hash } from 'node:crypto';
import type { Environment, Millis } from './environment.js';

/**
 * Public name of a session: the letter `s`, 48 bits of time and 80 random bits in lower-case Crockford base32. 27 characters,
 * safe in a URL, sorts by creation. Never a credential.
 */
export type SessionId = string & { readonly __brand: 'SessionId' };

/** The credential, `id.secret`. Exists in the client and, for an instant, in core; never in a store or a log. */
export type Token = string & { readonly __brand: 'Token' };

/** A token that has the right form. That it opens anything is not said. */
export interface Credential {
  readonly id: SessionId;
  readonly secret: string;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 10;
const RANDOM_BYTES = 10;
const SECRET_BYTES = 32;
const ID_FORM = /^s[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const SECRET_FORM = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** Length of every {@link SessionId}. */
export const ID_LENGTH = 27;
/** Length of every {@link Token}. */
export const TOKEN_LENGTH = ID_LENGTH + 1 + 43;

export function createId(environment: Pick<Environment, 'random'>, now: Millis): SessionId {
  return `s${encodeTime(now)}${encodeRandom(environment.random(RANDOM_BYTES))}` as SessionId;
}

/** 256 random bits in base64url (RFC 4648 section 5). */
export function createSecret(environment: Pick<Environment, 'random'>): string {
  const bytes = environment.random(SECRET_BYTES);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

export function toToken(id: SessionId, secret: string): Token {
  return `${id}.${secret}` as Token;
}

export function isSessionId(text: string): text is SessionId {
  return text.length === ID_LENGTH && ID_FORM.test(text);
}

/** When the session was created, by its id. */
export function timeOfId(id: SessionId): Millis {
  let time = 0;
  for (let i = 1; i <= TIME_CHARS; i++) time = time * 32 + ALPHABET.indexOf(id.charAt(i));
  return time;
}

/** The smallest id that a session created at `time` can have; for "created before" conditions. */
export function firstIdAt(time: Millis): SessionId {
  return `s${encodeTime(time)}${'0'.repeat(16)}` as SessionId;
}

/** Splits a token; undefined when it has not the form, which says nothing about any session. */
export function parseToken(text: string): Credential | undefined {
  if (text.length !== TOKEN_LENGTH || text.charCodeAt(ID_LENGTH) !== 46) return undefined;
  const id = text.slice(0, ID_LENGTH);
  const secret = text.slice(ID_LENGTH + 1);
  if (!isSessionId(id) || !SECRET_FORM.test(secret)) return undefined;
  return { id, secret };
}

/** SHA-256 of a secret in base64url: what a store holds in its place. A plain hash is enough for 256 random bits. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** Compares two hashes in a time that does not depend on where they differ. */
export function sameHash(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function encodeTime(time: Millis): string {
  let rest = time;
  let text = '';
  for (let i = 0; i < TIME_CHARS; i++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function encodeRandom(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 5) {
    const high = ((bytes[i] ?? 0) << 12) | ((bytes[i + 1] ?? 0) << 4) | ((bytes[i + 2] ?? 0) >> 4);
    const low = (((bytes[i + 2] ?? 0) & 15) << 16) | ((bytes[i + 3] ?? 0) << 8) | (bytes[i + 4] ?? 0);
    for (const half of [high, low]) {
      text += ALPHABET.charAt(half >> 15) + ALPHABET.charAt((half >> 10) & 31);
      text += ALPHABET.charAt((half >> 5) & 31) + ALPHABET.charAt(half & 31);
    }
  }
  return text;
}
