import { createSecretKey, type KeyObject } from 'node:crypto';
import { type Environment, type Millis, SessionError } from '@sessionkit/session-core';
import { OwnedFile } from './owned-file.js';
import type { User, Users } from './users.js';

/** Seconds, as in the claims. */
export const DEFAULT_AGE = 28_800;
const LONGEST_AGE = 86_400;

/** Told apart from tokens of applications by this: a gateway takes ours out of requests on their way up. */
const ISSUER = 'sessionkit-admin';
const ALGORITHM = 'HS256';
const KEY_BYTES = 32;
const KEY_FORM = /^[\w-]{43}\n?$/;

/** Tokens of operators: JSON Web Tokens (RFC 7519), signed by HMAC-SHA256 with the key of a file beside the users file. */
export interface Tokens {
  /**
   * A token of `user`, void after `age` seconds (at most a day), and as soon as the user is changed or removed. Makes the key when there is none.
   * @throws SessionError `CONFIG_INVALID` (the key file), `CONFLICT`.
   */
  issue(user: User, age: number): Promise<string>;
  /** The user of a token that counts now. @throws SessionError `CONFIG_INVALID` (the key file, the users file). */
  check(token: string): Promise<User | undefined>;
}

/** Whether an `Authorization` value carries a token of an admin API, of this process or another, valid or not. */
export function isAdminToken(authorization: string): boolean {
  const payload = /^bearer +[\w-]+\.([\w-]+)\.[\w-]+ *$/i.exec(authorization)?.[1];
  if (payload === undefined) return false;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return typeof claims === 'object' && claims !== null && 'iss' in claims && claims.iss === ISSUER;
  } catch {
    return false;
  }
}

/** Loaded with the first token: most starts never see one, and it would take a tenth of them. */
const jose = () => import('jose');

export function createTokens(users: Users, environment: Pick<Environment, 'now' | 'random'>): Tokens {
  const file = new OwnedFile('key file', `${users.file}.key`);
  let seen: string | undefined;
  let known: KeyObject | undefined;

  /** The key as the file has it now; undefined when there is none: then no token counts. */
  async function current(): Promise<KeyObject | undefined> {
    const stamp = await file.stamp();
    // Whoever has the key can be any user.
    if (stamp?.exposed && process.platform !== 'win32') {
      throw file.broken(
        'others can read or change it',
        'Remove it, and a new one is made, with which all tokens are void; or say chmod 600 when nobody has read it.',
      );
    }
    if (stamp?.key === seen) return known;
    const text = await file.read();
    if (text !== undefined && !KEY_FORM.test(text))
      throw file.broken(
        'it is not a key',
        'Remove it, and a new one is made, with which all tokens are void.',
      );
    known = text === undefined ? undefined : createSecretKey(text.trim(), 'base64url');
    seen = stamp?.key;
    return known;
  }

  async function make(): Promise<KeyObject> {
    const key = await file.locked(async () => {
      // Another process may have made one meanwhile.
      if ((await file.stamp()) === undefined) {
        await file.write(`${Buffer.from(environment.random(KEY_BYTES)).toString('base64url')}\n`);
      }
      return current();
    });
    if (key === undefined) {
      throw new SessionError('CONFIG_INVALID', `The key file ${file.path} is gone again: who removes it?`);
    }
    return key;
  }

  const now = (): Date => new Date(environment.now());

  return {
    async issue(user, age) {
      const key = (await current()) ?? (await make());
      const at: Millis = environment.now();
      const until = new Date(at + Math.min(age, LONGEST_AGE) * 1000);
      const { SignJWT } = await jose();
      return new SignJWT({ account: user.account, change: user.change })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setSubject(user.name)
        .setAudience(user.name)
        .setIssuedAt(new Date(at))
        .setExpirationTime(until)
        .sign(key);
    },

    async check(token) {
      const key = await current();
      if (key === undefined) return undefined;
      const { errors, jwtVerify } = await jose();
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [ALGORITHM],
          typ: 'JWT',
          issuer: ISSUER,
          requiredClaims: ['exp', 'iat', 'sub', 'aud', 'account', 'change'],
          maxTokenAge: LONGEST_AGE,
          currentDate: now(),
        });
        const { sub, aud, account, change } = payload;
        if (sub === undefined || aud !== sub) return undefined;
        const user = await users.find(sub);
        return user?.change === change && user?.account === account ? user : undefined;
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
