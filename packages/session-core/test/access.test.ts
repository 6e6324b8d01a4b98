import { describe, expect, it } from 'vitest';
import { type Access, checkAccess, lackOf } from '../src/access.js';
import { processEnvironment } from '../src/environment.js';
import { SessionError } from '../src/errors.js';
import { createId } from '../src/id.js';

const id = createId(processEnvironment, 1_000_000);
const nobody = { id: undefined, user: undefined, authenticatedAt: undefined };
const anonymous = { id, user: undefined, authenticatedAt: undefined };
const alice = { id, user: 'alice', authenticatedAt: 1_000_000 };
const now = 1_060_000;

describe('access', () => {
  it.each<[Access, typeof nobody | typeof anonymous | typeof alice, boolean]>([
    [{}, nobody, false],
    [{}, anonymous, true],
    [{ require: 'session' }, alice, true],
    [{ require: 'user' }, nobody, false],
    [{ require: 'user' }, anonymous, false],
    [{ require: 'user' }, alice, true],
    [{ fresh: 60_000 }, nobody, false],
    [{ fresh: 60_000 }, anonymous, false],
    [{ fresh: 60_000 }, alice, true],
    [{ fresh: 59_999 }, alice, false],
    [{ fresh: 59_999, require: 'session' }, alice, false],
  ])('%j of %j: %s', (access, session, passes) => {
    expect(lackOf(session, access, now) === undefined).toBe(passes);
  });

  it('says how new a login it wants, in seconds, only where one would help', () => {
    expect(lackOf(alice, { fresh: 5_900 }, now)).toMatchObject({ maxAge: 5 });
    expect(lackOf(nobody, { require: 'user' }, now)).toMatchObject({ maxAge: undefined });
  });

  it.each([
    [{ fresh: '5m' }],
    [{ fresh: 0 }],
    [{ fresh: 300 }],
    [{ fresh: Number.NaN }],
    [{ require: 'admin' }],
    ['fresh'],
    [{ freshFor: 60_000 }],
  ])('%j is refused where it is declared', (access) => {
    expect(() => checkAccess(access as unknown as Access)).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

it('a fault carries the status that error handlers answer with', () => {
  expect(new SessionError('BACKEND_DOWN', 'x').statusCode).toBe(503);
  expect(new SessionError('CONFLICT', 'x', { clientCode: 'too_many' }).statusCode).toBe(429);
  expect(new SessionError('HEADERS_SENT', 'x').statusCode).toBe(500);
});
