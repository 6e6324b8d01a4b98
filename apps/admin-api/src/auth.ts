import { createHmac } from 'node:crypto';
import type { Environment, Millis } from '@sessionkit/session-core';
import { AttemptLimit } from './attempts.js';
import { AdminError } from './errors.js';
import { Hashing, tooMany } from './hashing.js';
import type { Peer } from './peer.js';
import { routingPath } from './request.js';
import { createTokens, type Tokens } from './tokens.js';
import { isPassword, isUserName, type User, type Users } from './users.js';

const REMEMBERED: Millis = 300_000;
const REMEMBERED_MAX = 1_000;
const DENIED = 'Access denied';

/** What the API needs to know of a user. */
export type Operator = Pick<User, 'name' | 'account'>;

/** What the routes of users and tokens work with. */
export interface Access {
  readonly users: Users;
  readonly tokens: Tokens;
  readonly hashing: Hashing;
}

/** How an operator was recognised: by Basic credentials, by a token of ours, or by the application that embeds the API. */
export type Login = 'password' | 'token' | 'application';

/** Who a request comes from. */
export interface Authenticator {
  /**
   * The user of Basic credentials (RFC 7617) or of a Bearer token (RFC 6750), or whoever the embedding application says it is.
   * @throws AdminError 401 (none or wrong ones), 429 (too many failures, or too many passwords being checked), 503 (a file cannot be read).
   */
  check(request: Request, peer: Peer): Promise<{ readonly user: Operator; readonly login: Login }>;
  /** Name of an existing user that the credentials claim to be, whether they are right or not. For the access log: what is no user's name may be a password. */
  claimed(request: Request): Promise<string | undefined>;
  /** The answer to a request whose user may not do this. */
  denied(request: Request): AdminError;
}

interface Credentials {
  readonly name: string;
  readonly password: string;
}

export function createAccess(users: Users, environment: Environment): Access {
  return { users, tokens: createTokens(users, environment), hashing: new Hashing() };
}

export function createAuthenticator(
  { users, tokens, hashing }: Access,
  environment: Environment,
): Authenticator {
  const key = environment.random(32);
  const attempts = new AttemptLimit(environment);
  /** Keyed digest of credentials that were right, and until when they are believed. */
  const remembered = new Map<string, Millis>();
  /** Checks under way: requests that come together with the same credentials share one. */
  const checks = new Map<string, Promise<User | undefined>>();
  let noteFailed = false;

  function digest(credentials: Credentials, user: User | undefined): string {
    const parts = [credentials.name, credentials.password, user?.change ?? null];
    return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url');
  }

  function remember(credentials: Credentials, user: User): void {
    const [oldest] = remembered.keys();
    if (oldest !== undefined && remembered.size >= REMEMBERED_MAX) remembered.delete(oldest);
    remembered.set(digest(credentials, user), environment.now() + REMEMBERED);
  }

  async function verify(credentials: Credentials, attempt: string): Promise<User | undefined> {
    // Counted before the check, so that attempts sent together count as well.
    attempts.add(attempt);
    let user: User | undefined;
    try {
      user = await hashing.run(() => users.verify(credentials.name, credentials.password));
    } catch (error) {
      attempts.takeBack(attempt);
      throw error;
    }
    if (user === undefined) return undefined;
    attempts.takeBack(attempt);
    remember(credentials, user);
    try {
      await users.noteLogin(user.name);
    } catch (error) {
      // A users file that is read-only for us is a fair set-up: said once, and nobody is kept out.
      if (!noteFailed)
        environment.log({ level: 'warning', message: 'the time of a login cannot be noted', error });
      noteFailed = true;
    }
    return user;
  }

  async function authenticate(credentials: Credentials, address: string): Promise<User | undefined> {
    const attempt = attempts.key(address, credentials.name);
    const wait = attempts.wait(attempt);
    if (wait > 0) throw tooMany('Too many wrong passwords.', wait);

    const user = await users.find(credentials.name);
    const known = digest(credentials, user);
    if (user !== undefined && (remembered.get(known) ?? 0) > environment.now()) return user;
    remembered.delete(known);

    const check = checks.get(`${attempt} ${known}`);
    if (check !== undefined) return check;
    const started = verify(credentials, attempt);
    checks.set(`${attempt} ${known}`, started);
    try {
      return await started;
    } finally {
      checks.delete(`${attempt} ${known}`);
    }
  }

  async function recognise(request: Request, address: string): ReturnType<Authenticator['check']> {
    const token = bearer(request);
    if (token !== undefined) {
      const user = await tokens.check(token);
      // No challenge: whoever sends a token asks for no name and password.
      if (user === undefined) throw new AdminError(401, DENIED);
      return { user, login: 'token' };
    }
    const credentials = parse(request);
    const user = credentials && (await authenticate(credentials, address));
    if (user === undefined) throw denied(request);
    return { user, login: 'password' };
  }

  return {
    async check(request, { remoteAddress = '' }) {
      try {
        return await recognise(request, remoteAddress);
      } catch (error) {
        if (error instanceof AdminError) throw error;
        environment.log({ level: 'error', message: 'the users of the admin API cannot be read', error });
        throw new AdminError(503, 'The users cannot be read. The log of the process says why.');
      }
    },

    async claimed(request) {
      const credentials = parse(request);
      if (credentials === undefined) return undefined;
      try {
        return (await users.find(credentials.name))?.name;
      } catch {
        // The check of the same request has logged why.
        return undefined;
      }
    },

    denied(request) {
      if (bearer(request) !== undefined) return new AdminError(403, 'Administrative access required');
      return denied(request);
    },
  };
}

/**
 * 401. A script in a page (`X-Requested-With`) shows its own login form: without the challenge the browser opens none; so does one
 * that asks for a token.
 */
function denied(request: Request): AdminError {
  const scripted = request.headers.get('x-requested-with')?.toLowerCase() === 'xmlhttprequest';
  const asksForToken = /(?:^|\/v1)\/auth$/.test(routingPath(request));
  const challenge = scripted || asksForToken ? {} : { 'WWW-Authenticate': 'Basic realm="sessionkit"' };
  return new AdminError(401, DENIED, challenge);
}

/** What is sent as a Bearer token, of whatever form; undefined when another scheme is used. */
function bearer(request: Request): string | undefined {
  return /^bearer +(.*)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}

/** Credentials that a user may have; undefined for all others, which need no hash to be refused. */
function parse(request: Request): Credentials | undefined {
  const [, encoded] =
    /^basic +([a-z0-9+/]+={0,2}) *$/i.exec(request.headers.get('authorization') ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  // RFC 8265: however the letters were typed.
  const name = text.slice(0, colon).normalize('NFC');
  const password = text.slice(colon + 1);
  return isUserName(name) && isPassword(password) ? { name, password } : undefined;
}
