import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { Session } from './session.js';

/** What a route asks of the session of a request, beyond the rule of its path. */
export interface Access {
  /** `session` (default): any session will do; `user`: somebody has to be logged in. */
  readonly require?: 'session' | 'user' | undefined;
  /** The login is at most so long ago, in ms: for what a stolen or forgotten session must not do. Implies `user`. */
  readonly fresh?: Millis | undefined;
}

/** What a session lacks of what a route asks. `Visit.refuse` makes the answer of it. */
export class Lack {
  constructor(
    readonly detail: string,
    /** Seconds since a login that would do; undefined when any session, or any login, would. */
    readonly maxAge: number | undefined,
  ) {}
}

/**
 * Checks what a route asks, once, where it is declared.
 * @throws SessionError `CONFIG_INVALID`.
 */
export function checkAccess(access: Access): Access {
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
  session: Pick<Session, 'id' | 'user' | 'authenticatedAt'>,
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
