import { type SessionId, toToken } from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { type ShownParameters, statementOf } from '../src/statement.js';

const TOKEN = toToken('s01k6y3v9qxm2r8t4w7z5b1c0d3' as SessionId, 'A'.repeat(43));
const NONE: ShownParameters = { names: false, values: [] };
const NAMES: ShownParameters = { names: true, values: [] };
const PAGE: ShownParameters = { names: false, values: ['page', '_token', 'q'] };
const BOTH: ShownParameters = { ...PAGE, names: true };
const QUERY = `a=1&page=2&_token=${TOKEN}&flag&password=hunter2`;

function shown(query: string, parameters: ShownParameters): string {
  return statementOf({ method: 'GET', path: '/x' }, `/x${query}`, parameters, ['_token']);
}

describe('a request as operators see it', () => {
  it.each<[string, string, ShownParameters, string]>([
    ['nothing of its query by default', `?${QUERY}`, NONE, ''],
    ['names', `?${QUERY}`, NAMES, '?a&page&flag&password'],
    ['allowed values', `?${QUERY}`, PAGE, '?page=2'],
    ['names, and allowed values', `?${QUERY}`, BOTH, '?a&page=2&flag&password'],
    ['a query without anything to show', '?a=1', PAGE, ''],
    ['an empty query', '?', BOTH, ''],
    ['no query', '', BOTH, ''],
    ['empty parameters', '?&&page=1&', BOTH, '?page=1'],
    ['what is before a fragment', '?page=1#a?page=2', BOTH, '?page=1'],
    ['repeated ones', '?page=1&page=2', PAGE, '?page=1&page=2'],
    ['values with more signs in them', '?page=a=b?c', PAGE, '?page=a=b?c'],
    ['an encoded name', '?%70age=%41', PAGE, '?%70age=%41'],
    ['no token, however its parameter is written', `?%5ftoken=${TOKEN}&%5Ftoken=1`, BOTH, ''],
    ['no token in another parameter', `?q=${TOKEN}`, BOTH, '?q'],
    ['no token in the middle of a value', `?q=x%20${TOKEN}x`, BOTH, '?q'],
    ['no encoded token', `?q=${TOKEN.replace('.', '%2e')}`, BOTH, '?q'],
    ['no token in the place of a name', `?${TOKEN}&${TOKEN}=1`, BOTH, ''],
    ['what cannot be decoded as it was sent', '?page=%zz', PAGE, '?page=%zz'],
  ])('has %s', (_what, query, parameters, expected) => {
    expect(shown(query, parameters)).toBe(`GET /x${expected}`);
  });

  it('has no user, password or host of a target in absolute form', () => {
    const view = { method: 'GET', path: '/x' };
    expect(statementOf(view, 'http://ann:secret@host/x?page=1', PAGE, [])).toBe('GET /x?page=1');
  });
});
