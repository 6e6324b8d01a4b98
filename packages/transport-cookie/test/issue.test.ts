import { SessionError } from '@sessionkit/session-core';
import { aToken } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { type CookieAttributes, type CookieTransportOptions, cookie } from '../src/index.js';

const token = aToken();
const DAY = 86_400;

function issued(options: CookieAttributes, secure = false, left = 600): string {
  const [field, ...more] = cookie({ name: 'sid', options }).issue(token, left, { secure });
  expect(more).toEqual([]);
  expect(field?.[0]).toBe('set-cookie');
  return field?.[1].replace(token, 'T') ?? '';
}

describe('handing out', () => {
  it.each<[string, CookieAttributes, boolean, string]>([
    ['nothing said', {}, false, 'sid=T; Max-Age=600; Path=/; HttpOnly; SameSite=Lax'],
    ['encrypted', {}, true, 'sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['auto', { secure: 'auto' }, true, 'sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['always', { secure: true }, false, 'sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['never', { secure: false }, true, 'sid=T; Max-Age=600; Path=/; HttpOnly; SameSite=Lax'],
    [
      'prefixed',
      { prefix: '__Host-' },
      false,
      '__Host-sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    [
      'http only by prefix',
      { prefix: '__Host-Http-' },
      false,
      '__Host-Http-sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    [
      'for embedding',
      { sameSite: 'none' },
      false,
      'sid=T; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=None',
    ],
    [
      'everything said',
      {
        path: '/app',
        domain: 'example.org',
        httpOnly: false,
        sameSite: 'none',
        partitioned: true,
        priority: 'high',
      },
      true,
      'sid=T; Max-Age=600; Domain=example.org; Path=/app; Secure; Partitioned; Priority=High; SameSite=None',
    ],
    ['SameSite true', { sameSite: true }, false, 'sid=T; Max-Age=600; Path=/; HttpOnly; SameSite=Strict'],
    ['SameSite false', { sameSite: false }, false, 'sid=T; Max-Age=600; Path=/; HttpOnly'],
  ])('writes the cookie: %s', (_, options, secure, expected) => {
    expect(issued(options, secure)).toBe(expected);
  });

  it.each<[string, CookieAttributes, number, RegExp]>([
    ['what is left', {}, 3_600, /; Max-Age=3600;/],
    ['whole seconds', {}, 59.9, /; Max-Age=59;/],
    ['nothing left', {}, 0, /; Max-Age=0;/],
    ['less than nothing', {}, -5, /; Max-Age=0;/],
    ['at most 400 days', {}, 1_000 * DAY, /; Max-Age=34560000;/],
    ['maxAge in ms', { maxAge: 90_500 }, 600, /; Max-Age=90;/],
    ['maxAge of at most 400 days', { maxAge: 500 * DAY * 1_000 }, 600, /; Max-Age=34560000;/],
    [
      'expires alone',
      { expires: new Date(Date.UTC(2130, 0, 31)) },
      600,
      /^sid=T; Path=\/; Expires=Tue, 31 Jan 2130 00:00:00 GMT;/,
    ],
    [
      'maxAge beside an expires of long ago',
      { maxAge: 60_000, expires: new Date(1_000) },
      600,
      /; Max-Age=60; .*Expires=Thu, 01 Jan 1970 00:00:01/,
    ],
    [
      'both',
      { maxAge: 60_000, expires: new Date(Date.UTC(2130, 0, 31)) },
      600,
      /; Max-Age=60; .*Expires=Tue, 31 Jan 2130/,
    ],
  ])('says how long the cookie lasts: %s', (_, options, left, expected) => {
    expect(issued(options, false, left)).toMatch(expected);
  });

  it('clears with the attributes that it was set with', () => {
    const options = { domain: 'example.org', path: '/app', sameSite: 'strict', priority: 'low' } as const;
    expect(cookie({ name: 'sid', options }).clear({ secure: true })).toEqual([
      [
        'set-cookie',
        'sid=; Max-Age=0; Domain=example.org; Path=/app; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; Priority=Low; SameSite=Strict',
      ],
    ]);
  });

  it('is called sxapi-sess by default', () => {
    expect(cookie().carrier).toEqual({ cookie: 'sxapi-sess', responseHeader: 'set-cookie' });
  });
});

describe('a configuration that a browser refuses', () => {
  const refusal = (given: CookieTransportOptions): string => {
    try {
      cookie(given);
    } catch (error) {
      expect(error).toBeInstanceOf(SessionError);
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
      return (error as SessionError).message;
    }
    return 'none';
  };

  it.each<[CookieTransportOptions, RegExp]>([
    [{ name: 'a b' }, /name may consist of/],
    [{ name: '' }, /name may consist of/],
    [{ name: 'a\r\nb' }, /name may consist of/],
    [{ name: 'a;b' }, /name may consist of/],
    [{ name: 'a'.repeat(4_026) }, /name is too long: with its prefix at most 4025/],
    [{ name: 'a'.repeat(4_019), options: { prefix: '__Host-' } }, /name is too long/],
    [{ name: '__Host-a', options: { prefix: '__Secure-' } }, /name begins with __Host- and/],
    [{ options: { prefix: '__Host-', domain: 'example.org' } }, /options\.domain is set/],
    [{ options: { prefix: '__Host-', path: '/app' } }, /options\.path is not \//],
    [{ options: { prefix: '__Secure-', secure: false } }, /options\.secure is false.*__Secure-/],
    [{ options: { prefix: '__Http-', httpOnly: false } }, /options\.httpOnly is false/],
    [{ options: { prefix: '__Host-Http-', httpOnly: false } }, /options\.httpOnly is false/],
    [{ options: { prefix: '__Host-Http-', domain: 'example.org' } }, /options\.domain is set/],
    [{ name: '__HOST-a', options: { domain: 'example.org' } }, /options\.domain is set/],
    [{ name: '__secure-a', options: { secure: false } }, /options\.secure is false/],
    [{ options: { sameSite: 'none', secure: false } }, /options\.sameSite is none.*Secure/],
    [{ options: { partitioned: true, sameSite: 'none', secure: false } }, /options\.partitioned.*Secure/],
    [{ options: { partitioned: true } }, /options\.partitioned.*sameSite: none/],
    [{ options: { maxAge: 0 } }, /options\.maxAge is a number and at least one second/],
    [{ options: { maxAge: Number.NaN } }, /options\.maxAge/],
    [{ options: { expires: new Date(Number.NaN) } }, /options\.expires is a valid date/],
    [{ options: { expires: new Date(1_000) } }, /options\.expires is in the past.*time to come/],
    [{ options: { path: 'app' } }, /options\.path begins with \//],
    [{ options: { path: '/a;b' } }, /options\.path/],
    [{ options: { path: '/a\r\nb' } }, /options\.path/],
    [{ options: { path: `/${'a'.repeat(1_024)}` } }, /options\.path/],
    [{ options: { domain: '' } }, /options\.domain is a host name/],
    [{ options: { domain: 'a b' } }, /options\.domain is a host name/],
    [{ options: { domain: 'example.org; Path=/x' } }, /options\.domain is a host name/],
  ])('%j is refused', (given, message) => {
    expect(refusal(given)).toMatch(message);
  });

  it('is refused from JavaScript too, where no compiler has looked', () => {
    const options = JSON.parse(
      '{"samesite":"lax","toString":1,"secure":"yes","httpOnly":"no","sameSite":["lax"],"priority":1,"prefix":"__X-","partitioned":0,"path":7,"domain":7,"maxAge":"60"}',
    );
    const message = refusal({ name: JSON.parse('{}'), options });
    for (const option of Object.keys(options)) expect(message).toContain(`options.${option} `);
    expect(message).toContain('name may consist of');
    expect(message).toContain('options.samesite is no cookie option: there are maxAge, expires');
  });

  it('is refused with all its problems at once', () => {
    const options = {
      prefix: '__Host-',
      domain: 'example.org',
      path: '/a',
      secure: false,
      sameSite: 'none',
    } as const;
    expect(refusal({ name: 'a b', options }).split('; ')).toHaveLength(5);
  });

  it('does not refuse a name of the greatest length', () => {
    expect(refusal({ name: 'a'.repeat(4_025) })).toBe('none');
  });
});
