import { createHmac } from 'node:crypto';
import type { Environment, Millis } from '@sessionkit/session-core';
import { AttemptLimit } from './attempts.js';
import { AdminError } from './errors.js';
import type { Peer } from './peer.js';
import { isPassword, isUserName, type User, type Users } from './users.js';

const REMEMBERED: Millis = 300_000;
const REMEMBERED_MAX = 1_000;
const HASHES_AT_A_TIME = 2;

/** What the API needs to know of a user. */
export type Operator = Pick<User, 'name' | 'account'>;

/** Who a request comes from. */
export interface Authenticator {
  /**
   * The user of Basic credentials (RFC 7617), or whoever the embedding application says it is.
   * @throws AdminError 401 (none or wrong ones), 429 (too many failures, or too many passwords being checked), 503 (the users file cannot be read).
   */
  check(request: Request, peer: Peer): Promise<Operator>;
  /** Name of an existing user that the credentials claim to be, whether they are right or not. For the access log: what is no user's name may be a password. */
  claimed(request: Request): Promise<string | undefined>;
  /** The answer to a request whose user may not do this. */
  denied(request: Request): AdminError;
}

interface Credentials {
  readonly name: string;
  readonly password: string;
}

export function createAuthenticator(users: Users, environment: Environment): Authenticator {
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
      user = await users.verify(credentials.name, credentials.password);
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
    if (checks.size >= HASHES_AT_A_TIME) throw tooMany('Too many passwords are being checked.', 1_000);
    const started = verify(credentials, attempt);
    checks.set(`${attempt} ${known}`, started);
    try {
      return await started;
    } finally {
      checks.delete(`${attempt} ${known}`);
    }
  }

  return {
    async check(request, { remoteAddress: address = '' }) {
      const credentials = parse(request);
      if (credentials === undefined) throw denied(request);
      let user: User | undefined;
      try {
        user = await authenticate(credentials, address);
      } catch (error) {
        if (error instanceof AdminError) throw error;
        environment.log({ level: 'error', message: 'the users of the admin API cannot be read', error });
        throw new AdminError(503, 'The users cannot be read. The log of the process says why.');
      }
      if (user === undefined) throw denied(request);
      return user;
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

    denied,
  };
}

/** 401. A script in a page (`X-Requested-With`) shows its own login form: without the challenge the browser opens none. */
function denied(request: Request): AdminError {
  const scripted = request.headers.get('x-requested-with')?.toLowerCase() === 'xmlhttprequest';
  return new AdminError(
    401,
    'Access denied',
    scripted ? {} : { 'WWW-Authenticate': 'Basic realm="sessionkit"' },
  );
}

function tooMany(why: string, wait: Millis): AdminError {
  return new AdminError(429, `${why} Try again later.`, { 'Retry-After': String(Math.ceil(wait / 1000)) });
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
