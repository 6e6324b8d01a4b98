import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { Refusal } from './service.js';
import type { SessionVerbs } from './session.js';

/** What a route asks of the session of a request, beyond the rule of its path. */
export interface Access {
  /** `session` (default): it need not be that of a user; `user`: somebody has to be logged in. */
  readonly require?: 'session' | 'user' | undefined;
  /** The login is at most so long ago, in ms: for what a stolen or forgotten session must not do. Implies `user`. */
  readonly fresh?: Millis | undefined;
}

/** As much of a visit as is judged by that. */
export interface Asking {
  readonly session: Pick<SessionVerbs, 'id' | 'user' | 'authenticatedAt'>;
  refuse(fault: unknown): Refusal | undefined;
}

/** What a session lacks of what a route asks. `Visit.refuse` makes the answer of it. */
export class Lack {
  constructor(
    readonly detail: string,
    /** Seconds since a login that would do; undefined when any session, or any login, would. */
    readonly maxAge: number | undefined,
  ) {}
}

const KEYS: ReadonlySet<string> = new Set(['require', 'fresh'] satisfies (keyof Access)[]);

/**
 * Checks what a route asks, once, where it is declared.
 * @throws SessionError `CONFIG_INVALID`.
 */
export function checkAccess(access: Access): Access {
  const unknown = typeof access === 'object' ? Object.keys(access).find((key) => !KEYS.has(key)) : access;
  if (unknown !== undefined) {
    throw new SessionError(
      'CONFIG_INVALID',
      `${JSON.stringify(unknown)} is nothing that a route can ask: give { require: 'user' } or { fresh: 5 * 60_000 }`,
    );
  }
  const { require = 'session', fresh } = access;
  if (require !== 'session' && require !== 'user') {
    throw new SessionError(
      'CONFIG_INVALID',
      `require: ${JSON.stringify(require)} is neither 'session' nor 'user'`,
    );
  }
  if (fresh !== undefined && !(Number.isFinite(fresh) && fresh >= 1000)) {
    throw new SessionError(
      'CONFIG_INVALID',
      `fresh: ${JSON.stringify(fresh)} is no time in milliseconds of a second or more, such as 5 * 60_000`,
    );
  }
  return access;
}

/** What the session lacks at `now`; undefined when it may pass. */
export function lackOf(
  session: Asking['session'],
  { require, fresh }: Access,
  now: Millis,
): Lack | undefined {
  if (fresh !== undefined) {
    const { user, authenticatedAt } = session;
    if (user !== undefined && authenticatedAt !== undefined && now - authenticatedAt <= fresh)
      return undefined;
    const seconds = Math.floor(fresh / 1000);
    return new Lack(`This needs a login within the last ${seconds} s.`, seconds);
  }
  if (require === 'user') {
    return session.user === undefined ? new Lack('This needs a login.', undefined) : undefined;
  }
  return session.id === undefined
    ? new Lack('This needs a session, and the request carries none.', undefined)
    : undefined;
}
