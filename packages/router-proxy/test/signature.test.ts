import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from 'vitest';
import { verifySignature } from '../src/index.js';
import { cookieOf, encode, gateway, send, upstream } from './harness.js';

const KEY = 'a key of sixteen or more characters';
const T = 1_780_315_200;
/** By another program: printf '%s\n%s\n%s\n%s\n%s\n%s' 1780315200 GET /a s1 alice eyJhIjoxfQ | openssl dgst -sha256 -hmac "$KEY" */
const BY_OPENSSL = 'b3a17e8bc072208ea10abaff3279b6e250c6815018c2f8ee8df1a388632be002';
const headers = {
  'x-session-id': 's1',
  'x-session-user': 'alice',
  'x-session-data': 'eyJhIjoxfQ',
  'x-session-signature': `t=${T},v1=${BY_OPENSSL}`,
};
const request = { method: 'GET', url: '/a?b=c', now: T * 1000 };

describe('the signature', () => {
  test('is what SHA-256 HMAC of another program makes of the same lines', () => {
    expect(verifySignature(headers, KEY, request)).toBe(true);
  });

  test('is refused after 30 s, before its time, and with anything changed', () => {
    const verify = (change: object = {}, other: object = {}, key = KEY) =>
      verifySignature({ ...headers, ...change }, key, { ...request, ...other });
    expect(verify({}, { now: (T + 30) * 1000 })).toBe(true);
    expect(verify({}, { now: (T + 30) * 1000 + 1 })).toBe(false);
    expect(verify({}, { now: (T - 31) * 1000 })).toBe(false);
    expect(verify({}, { method: 'POST' })).toBe(false);
    expect(verify({}, { url: '/b' })).toBe(false);
    expect(verify({ 'x-session-id': 's2' })).toBe(false);
    expect(verify({ 'x-session-user': 'bob' })).toBe(false);
    expect(verify({ 'x-session-user': undefined })).toBe(false);
    expect(verify({ 'x-session-data': ['eyJhIjoxfQ', 'eyJhIjoxfQ'] })).toBe(false);
    expect(verify({}, {}, `${KEY}.`)).toBe(false);
    for (const value of [
      undefined,
      '',
      't=1',
      `v1=${BY_OPENSSL}`,
      `t=${T},v1=${BY_OPENSSL}0`,
      `t=${T + 1},v1=${BY_OPENSSL}`,
    ]) {
      expect(verify({ 'x-session-signature': value })).toBe(false);
    }
  });

  test('comes with every request of a gateway that has a key, and holds for what the upstream gets', async () => {
    const got: { headers: IncomingHttpHeaders; method: string; url: string }[] = [];
    const url = await upstream(({ headers: all, method = '', url: at = '' }, response) => {
      got.push({ headers: all, method, url: at });
      response.setHeader('X-Session-User', 'alice');
      response.setHeader('X-Session-Data', encode({ a: 1 }));
      response.end();
    });
    const { url: at } = await gateway([url], { signKey: KEY });
    const first = await send(at, { headers: { 'X-Session-Signature': `t=${T},v1=${BY_OPENSSL}` } });
    await send(`${at}/x?_token=1&a`, { method: 'POST', body: 'x', headers: { cookie: cookieOf(first) } });
    expect(got.map((one) => verifySignature(one.headers, KEY, one))).toEqual([true, true]);
    expect(got[1]?.headers['x-session-user']).toBe('alice');
    expect(got.map((one) => verifySignature(one.headers, 'another key', one))).toEqual([false, false]);
  });

  test('is not sent without a key', async () => {
    const url = await upstream((message, response) =>
      response.end(String('x-session-signature' in message.headers)),
    );
    const { url: at } = await gateway([url]);
    expect((await send(at, { headers: { 'X-Session-Signature': 'x' } })).body).toBe('false');
  });
});
