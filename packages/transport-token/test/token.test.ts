import { CLIENT_CODES, type ClientCode, SessionError } from '@sessionkit/session-core';
import { aToken, queryCarriage, transportSuite, viewOf } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { token } from '../src/index.js';

const context = { secure: true };

describe.each(['_token', 'sid'])('conformance with the parameter %s', (param) => {
  const kit = { create: () => token({ param }), ...queryCarriage(param, 'session-token') };
  for (const one of transportSuite(kit)) it(one.name, () => one.run(kit));
});

describe('the query parameter', () => {
  it('is _token by default', () => {
    expect(token().carrier).toEqual({ query: '_token', responseHeader: 'session-token' });
    expect(token().read(viewOf({ query: [['_token', 'a']] }))).toEqual(['a']);
  });

  it('is read by its exact name, an empty value too', () => {
    const query = [
      ['SID', 'a'],
      ['sid', ''],
      ['sid[]', 'b'],
      ['sid', 'c'],
    ] as const;
    expect(token({ param: 'sid' }).read(viewOf({ query }))).toEqual(['', 'c']);
  });

  it('hands a new token out in a header that scripts may read, and keeps the URL out of Referer', () => {
    const value = aToken();
    expect(token().issue(value, 600, context)).toEqual([
      ['session-token', value],
      ['access-control-expose-headers', 'Session-Token'],
      ['referrer-policy', 'no-referrer'],
    ]);
  });

  it('adds nothing to a refusal and clears nothing', () => {
    for (const code of Object.keys(CLIENT_CODES) as ClientCode[])
      for (const presented of [true, false]) expect(token().challenge(code, presented)).toEqual([]);
    expect(token().clear(context)).toEqual([]);
  });

  it.each([
    '',
    'a b',
    'a=b',
    'a&b',
    'a[]',
    'ä',
    'a%20b',
    'a\r\nb',
    'a'.repeat(65),
    JSON.parse('null'),
    JSON.parse('7'),
  ])('can not be called %j', (param) => {
    const create = () => token({ param });
    expect(create).toThrow(SessionError);
    expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(create).toThrow(/^token transport: param is 1 to 64 letters/);
  });
});
