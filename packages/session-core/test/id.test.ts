import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { processEnvironment } from '../src/environment.js';
import {
  createId,
  createSecret,
  firstIdAt,
  hashSecret,
  ID_LENGTH,
  isSessionId,
  parseToken,
  sameHash,
  TOKEN_LENGTH,
  timeOfId,
  toToken,
} from '../src/id.js';

const make = (now = Date.now()) => createId(processEnvironment, now);

test('10,000 tokens have their form, 256 bits of secret, and no two share one', () => {
  const secrets = new Set<string>();
  const ids = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const id = make();
    const secret = createSecret(processEnvironment);
    const token = toToken(id, secret);
    expect(token).toHaveLength(TOKEN_LENGTH);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(parseToken(token)).toEqual({ id, secret });
    secrets.add(secret);
    ids.add(id);
  }
  expect(secrets.size).toBe(10_000);
  expect(ids.size).toBe(10_000);
});

test('ids begin with s, tell their time and sort by it', () => {
  const times = [0, 1, 1_000, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1) + 1, Date.UTC(2999, 0, 1)];
  const ids = times.map((time) => make(time));
  expect([...ids].sort()).toEqual(ids);
  for (const [i, id] of ids.entries()) {
    expect(id).toHaveLength(ID_LENGTH);
    expect(isSessionId(id)).toBe(true);
    expect(timeOfId(id)).toBe(times[i]);
    expect(firstIdAt(timeOfId(id)) <= id).toBe(true);
  }
});

test.each([
  ['', 'nothing'],
  ['x', 'a word'],
  [`${make()}`, 'an id alone'],
  [`${make()}.`, 'no secret'],
  [`${make()}.${'A'.repeat(42)}`, 'a secret too short'],
  [`${make()}.${'A'.repeat(44)}`, 'a secret too long'],
  [`${make()}.${'A'.repeat(42)}+`, 'base64, not base64url'],
  [`${make()}.${'A'.repeat(42)}B`, 'spare bits that are set'],
  [`${make().toUpperCase()}.${'A'.repeat(43)}`, 'capitals in the id'],
  [`${make().slice(0, 26)}u.${'A'.repeat(43)}`, 'a letter that the alphabet leaves out'],
  [`x${make().slice(1)}.${'A'.repeat(43)}`, 'another first letter'],
  [`s8${make().slice(2)}.${'A'.repeat(43)}`, 'a time beyond 48 bits'],
  [`${make()}:${'A'.repeat(43)}`, 'another separator'],
  [`${make()}.${'A'.repeat(42)}\n`, 'a newline'],
])('%j is no token: %s', (text) => {
  expect(parseToken(text)).toBeUndefined();
});

test('what is stored of a secret is its SHA-256', () => {
  const secret = createSecret(processEnvironment);
  expect(hashSecret(secret)).toBe(createHash('sha256').update(secret).digest('base64url'));
  expect(sameHash(hashSecret(secret), hashSecret(secret))).toBe(true);
  expect(sameHash(hashSecret(secret), hashSecret(`${secret}x`))).toBe(false);
  expect(sameHash('a', 'ab')).toBe(false);
});
