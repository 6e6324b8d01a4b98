import { createHmac } from 'node:crypto';
import {
  type AnswerContext,
  type HeaderField,
  type LegacyCredential,
  type LegacySession,
  type RequestView,
  SessionError,
} from '@sessionkit/session-core';
import { parseCookie, stringifySetCookie } from 'cookie';
import { unsign } from 'cookie-signature';
import { passportUser, type UserOf } from './user.js';

/** What is told of the application as it was with express-session. */
export interface OldAppOptions {
  /** Its `secret`: one, or all that its cookies may still be signed with, newest first. */
  readonly secret: string | readonly string[];
  /** Its `name`. Default `connect.sid`. */
  readonly name?: string | undefined;
  /** Its `cookie`, as far as a browser needs it to forget the cookie: `path` (default `/`) and `domain`. */
  readonly cookie?: { readonly path?: string | undefined; readonly domain?: string | undefined } | undefined;
  /** Who is logged in, by the data of a session. Default: {@link passportUser}. */
  readonly user?: UserOf | undefined;
}

const SIGNED = 's:';

/** The cookie of express-session: `s:`, the id of the session, a point, and the HMAC-SHA256 of the id. */
export class OldCookie {
  readonly #name: string;
  readonly #secrets: readonly string[];
  readonly #path: string;
  readonly #domain: string | undefined;

  /** @throws SessionError `CONFIG_INVALID`: no secret. */
  constructor({ secret, name = 'connect.sid', cookie = {} }: OldAppOptions) {
    this.#name = name;
    this.#secrets = typeof secret === 'string' ? [secret] : secret;
    this.#path = cookie.path ?? '/';
    this.#domain = cookie.domain;
    const given: readonly unknown[] = Array.isArray(this.#secrets) ? this.#secrets : [];
    if (given.length === 0 || !given.every((one) => typeof one === 'string' && one !== '')) {
      throw new SessionError(
        'CONFIG_INVALID',
        'secret must be the secret that express-session was given: a string, or a list of them, newest first',
      );
    }
  }

  read(request: RequestView): LegacyCredential | undefined {
    const header = request.header('cookie');
    if (header === undefined || !header.includes(`${this.#name}=`)) return undefined;
    const value = parseCookie(header)[this.#name];
    if (value === undefined || !value.startsWith(SIGNED)) return undefined;
    const signed = value.slice(SIGNED.length);
    for (const secret of this.#secrets) {
      const key = unsign(signed, secret);
      // Always by the newest secret, whichever has signed this cookie: one session has one seed.
      if (key)
        return {
          key,
          seed: createHmac('sha512', this.#secrets[0] ?? '')
            .update(`sessionkit:${key}`)
            .digest(),
        };
    }
    return undefined;
  }

  clear({ secure }: AnswerContext): readonly HeaderField[] {
    const end = { maxAge: 0, expires: new Date(0) };
    const where = { path: this.#path, ...(this.#domain !== undefined && { domain: this.#domain }) };
    const field = { name: this.#name, value: '', ...where, ...end, httpOnly: true, secure };
    return [['set-cookie', stringifySetCookie(field)]];
  }
}

/** What a store of express-session holds of a session, without what is said of the cookie. @throws SessionError `RECORD_CORRUPT`. */
export function sessionOf(stored: unknown, userOf: UserOf = passportUser): LegacySession {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) throw corrupt(undefined);
  const { cookie, ...data } = stored as Record<string, unknown>;
  const { originalMaxAge } = (cookie ?? {}) as { originalMaxAge?: unknown };
  const idleTimeout = typeof originalMaxAge === 'number' && originalMaxAge >= 1 ? originalMaxAge : undefined;
  return { data: JSON.stringify(data), user: userOf(data), idleTimeout };
}

export function corrupt(cause: unknown): SessionError {
  return new SessionError(
    'RECORD_CORRUPT',
    'what the old store has of a session is none of express-session',
    { cause },
  );
}
