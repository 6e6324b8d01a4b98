import { nameProblem } from '@sessionkit/session-core';

/** Data of a session by key, as the application has it. */
export type SessionData = Readonly<Record<string, unknown>>;

/** Tells who is logged in by what an application keeps in its session; undefined: nobody. 1 to 255 bytes without control characters. */
export type UserOf = (data: SessionData) => string | undefined;

/**
 * Who passport has logged in: `passport.user` where that is a string or a number, or its `id` where it is an object. Undefined when what is found is no user name for us: the
 * session then works as before, and operators see nobody.
 */
export function passportUser({ passport }: SessionData): string | undefined {
  const user = memberOf(passport, 'user');
  const name = typeof user === 'object' ? memberOf(user, 'id') : user;
  if (typeof name !== 'string' && typeof name !== 'number') return undefined;
  const text = String(name);
  return nameProblem(text) === undefined ? text : undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
