import { type ClientCode, SessionError } from '@sessionkit/session-core';
import { aToken, schemeCarriage, transportSuite, viewOf } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { bearer } from '../src/index.js';

const context = { secure: true };

describe.each([undefined, 'sessions of "example"'])('conformance with the realm %j', (realm) => {
  const kit = {
    create: () => bearer({ realm }),
    ...schemeCarriage('authorization', 'Bearer', 'authorization'),
  };
  for (const one of transportSuite(kit)) it(one.name, () => one.run(kit));
});

describe('reading', () => {
  it.each([
    ['Bearer abc', ['abc']],
    ['bearer abc', ['abc']],
    ['BEARER   abc ', ['abc']],
    ['Bearer a-._~+/9==', ['a-._~+/9==']],
    ['Bearer a, Bearer b,bearer c, Bearer d', ['a', 'b', 'c']],
    ['Basic YTpi, Bearer a', ['a']],
    ['Bearer a, Basic YTpi', ['a']],
    ['Bearer', []],
    ['Bearer ', []],
    ['Bearer\tabc', []],
    ['Bearerabc', []],
    ['Bearer a b', []],
    ['Bearer a=b', []],
    ['Bearer "abc"', []],
    ['Bearer ä', []],
    ['Basic YTpi', []],
    ['Digest username="x, Bearer abc"', []],
    ['abc', []],
    ['', []],
  ])('takes from %j the values %j', (authorization, values) => {
    expect(bearer().read(viewOf({ headers: { authorization } }))).toEqual(values);
  });

  it('stops at the third value of a flood', () => {
    const authorization = 'Bearer x, '.repeat(100_000);
    expect(bearer().read(viewOf({ headers: { authorization } }))).toEqual(['x', 'x', 'x']);
  });
});

describe('answering', () => {
  it('hands a new token out in the header that brings it, readable by scripts', () => {
    const value = aToken();
    expect(bearer().issue(value, 600, context)).toEqual([
      ['authorization', `Bearer ${value}`],
      ['access-control-expose-headers', 'Authorization'],
    ]);
  });

  it.each<[ClientCode, boolean, string | undefined]>([
    ['session_required', false, 'Bearer'],
    ['session_required', true, 'Bearer error="invalid_token"'],
    ['session_invalid', true, 'Bearer error="invalid_token"'],
    ['session_invalid', false, 'Bearer'],
    ['session_superseded', true, 'Bearer error="invalid_token"'],
    ['session_expired', true, 'Bearer error="invalid_token"'],
    ['session_ended', true, 'Bearer error="invalid_token"'],
    ['bad_request', true, 'Bearer error="invalid_request"'],
    ['bad_request', false, 'Bearer error="invalid_request"'],
    ['session_read_only', true, undefined],
    ['cross_site', true, undefined],
    ['conflict', true, undefined],
    ['too_many', true, undefined],
    ['data_too_large', true, undefined],
    ['store_unavailable', true, undefined],
    ['store_full', true, undefined],
  ])('challenges %s (presented: %s) with %s', (code, presented, expected) => {
    const fields = expected === undefined ? [] : [['www-authenticate', expected]];
    expect(bearer().challenge(code, presented)).toEqual(fields);
  });

  it('names the realm, quoted as a string of HTTP', () => {
    const transport = bearer({ realm: 'a "b" \\ c' });
    expect(transport.challenge('session_required', false)).toEqual([
      ['www-authenticate', 'Bearer realm="a \\"b\\" \\\\ c"'],
    ]);
    expect(transport.challenge('session_expired', true)).toEqual([
      ['www-authenticate', 'Bearer realm="a \\"b\\" \\\\ c", error="invalid_token"'],
    ]);
  });

  it.each(['', 'a\r\nSet-Cookie: b=c', 'ä', 'a\0', 'a'.repeat(256), JSON.parse('null'), JSON.parse('7')])(
    'refuses the realm %j',
    (realm) => {
      const create = () => bearer({ realm });
      expect(create).toThrow(SessionError);
      expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(create).toThrow(/^bearer transport: realm is 1 to 255 printable/);
    },
  );
});
