import { expect, it } from 'vitest';
import { CLIENT_CODES, type ClientCode } from '../src/lists.js';
import { problem, replyTo } from '../src/problem.js';

it('problem is the document of RFC 9457', () => {
  expect(problem({ status: 409, code: 'conflict', detail: 'Again.', headers: [] })).toEqual({
    type: 'about:blank',
    title: 'Conflict',
    status: 409,
    code: 'conflict',
    detail: 'Again.',
  });
});
it('every refusal has the phrase of its status as title', () => {
  for (const [code, status] of Object.entries(CLIENT_CODES)) {
    const { title } = problem({ status, code: code as ClientCode, detail: '', headers: [] });
    expect([code, title]).not.toEqual([code, 'Error']);
  }
});

it('a demand for a newer login says how new', () => {
  const refusal = {
    status: 401,
    code: 'session_required',
    detail: 'Log in.',
    headers: [],
    maxAge: 300,
  } as const;
  expect(JSON.parse(replyTo(refusal).body)).toMatchObject({ code: 'session_required', max_age: 300 });
});

it('a redirect has no body', () => {
  const refusal = {
    status: 302,
    code: 'session_required',
    detail: '',
    headers: [['location', '/login']],
  } as const;
  expect(replyTo(refusal)).toEqual({
    status: 302,
    headers: [
      ['content-length', '0'],
      ['location', '/login'],
    ],
    body: '',
  });
});
