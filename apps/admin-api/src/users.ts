import { type Environment, type Millis, processEnvironment, SessionError } from '@sessionkit/session-core';
import { OwnedFile } from './owned-file.js';
import { checkPassword, DEFAULT_COST, hashPassword, type ScryptCost, wasteTime } from './password.js';
import { nameProblem, readUsers, type StoredUser, writeUsers } from './users-file.js';

/** `admin` may change, `basic` may read. */
export type Account = 'admin' | 'basic';

/** An operator. Never the password or its hash. */
export interface User {
  readonly name: string;
  readonly account: Account;
  /** Grows with each change of the user and never repeats, even when the file is made anew: what is derived from a login is bound to it. */
  readonly change: number;
  readonly created: Millis;
  readonly lastUpdate: Millis | undefined;
  readonly lastLogin: Millis | undefined;
}

/** Why a change of users was refused. `no_admin`: nobody would be left to make one. `form`: of a name or password. */
export type UserProblem = 'taken' | 'missing' | 'last_user' | 'last_admin' | 'no_admin' | 'form';

export class UserError extends SessionError {
  /** `instanceof` of a {@link SessionError} knows no kinds of it. */
  static override [Symbol.hasInstance](value: unknown): value is UserError {
    return value instanceof SessionError && 'problem' in value;
  }

  readonly problem: UserProblem;

  constructor(problem: UserProblem, message: string) {
    super('INVALID_VALUE', message);
    this.problem = problem;
  }
}

/** The operators of the admin API, in a file. Every verb sees what other processes changed in it. */
export interface Users {
  /** Its path. The key that signs tokens is kept beside it. */
  readonly file: string;
  /** By name. @throws SessionError `CONFIG_INVALID` (the file is broken or cannot be read; the message says how to mend it). */
  list(): Promise<readonly User[]>;
  /** Throws as {@link list} does. */
  find(name: string): Promise<User | undefined>;
  /** @throws UserError (name or password of a wrong form, name taken). @throws SessionError `CONFIG_INVALID`, `CONFLICT` (locked by another process). */
  add(name: string, password: string, account: Account): Promise<User>;
  /** Changes a password. @throws UserError (no such user, password of a wrong form). @throws SessionError `CONFIG_INVALID`, `CONFLICT`. */
  passwd(name: string, password: string): Promise<User>;
  /** Changes what is given, at once. @throws UserError (also: it would leave no admin). @throws SessionError as {@link passwd}. */
  alter(name: string, change: UserChange): Promise<User>;
  /** @throws UserError (no such user, or the last admin). @throws SessionError `CONFIG_INVALID`, `CONFLICT`. */
  remove(name: string): Promise<void>;
  /** The user whose name and password these are; takes as long for an unknown name. Throws as {@link list} does. */
  verify(name: string, password: string): Promise<User | undefined>;
  /** Notes a login of `name` now. @throws SessionError `CONFIG_INVALID`, `CONFLICT`. */
  noteLogin(name: string): Promise<void>;
}

interface UserChange {
  readonly password?: string | undefined;
  readonly account?: Account | undefined;
}

export interface UsersOptions {
  /** Path of the JSON file. It is made, readable by its owner only, when the first user is added. */
  readonly file: string;
  /** Cost of new hashes. Default: {@link DEFAULT_COST}. */
  readonly cost?: ScryptCost | undefined;
  readonly environment?: Pick<Environment, 'now' | 'random' | 'log'> | undefined;
}

const PASSWORD_BYTES = 1_024;

/** Whether `password` can be one: 1 to 1,024 bytes without control characters (RFC 7617). */
export function isPassword(password: string): boolean {
  const bytes = Buffer.byteLength(password);
  return bytes > 0 && bytes <= PASSWORD_BYTES && !/\p{Cc}/u.test(password);
}

/** Whether `name` can be a user's. */
export function isUserName(name: string): boolean {
  return nameProblem(name) === undefined;
}

export function createUsers(options: UsersOptions): Users {
  const { cost = DEFAULT_COST, environment = processEnvironment } = options;
  const file = new OwnedFile('users file', options.file);
  let seen: string | undefined;
  let known: ReadonlyMap<string, StoredUser> = new Map();
  let warned = false;

  async function current(): Promise<ReadonlyMap<string, StoredUser>> {
    const stamp = await file.stamp();
    if (stamp?.key === seen) return known;
    // The stamp is older than what is read, so that a change between the two is seen the next time.
    const users = await readUsers(file);
    known = new Map(users.map((user) => [user.name, user]));
    seen = stamp?.key;
    if (stamp?.exposed && !warned) {
      warned = true;
      environment.log({
        level: 'warning',
        message: `others can read or change the users file ${file.path}: chmod 600 ${file.path}`,
      });
    }
    return known;
  }

  /** Reads, changes and writes under the lock. */
  async function change<T>(task: (users: Map<string, StoredUser>) => T): Promise<T> {
    const target = await file.target();
    return target.locked(async () => {
      const users = new Map((await readUsers(target)).map((user) => [user.name, user]));
      const result = task(users);
      await writeUsers(target, [...users.values()]);
      return result;
    });
  }

  function nextChange(users: ReadonlyMap<string, StoredUser>): number {
    return Math.max(environment.now(), ...[...users.values()].map((user) => user.change + 1));
  }

  const instant = () => new Date(environment.now()).toISOString();

  async function alter(typed: string, { password, account }: UserChange): Promise<User> {
    const name = typed.normalize('NFC');
    if (password !== undefined) checkForm(password);
    // Not hashed for a user that is not there.
    existing(await current(), name);
    const hash = password === undefined ? undefined : await hashPassword(password, cost, environment.random);
    return change((users) => {
      const before = existing(users, name);
      if (account === 'basic') checkNotLast(users, before, 'no_admin');
      const user: StoredUser = {
        ...before,
        password: hash ?? before.password,
        account: account ?? before.account,
        change: nextChange(users),
        last_update: instant(),
      };
      users.set(name, user);
      return toUser(user);
    });
  }

  return {
    file: file.path,

    async list() {
      const users = [...(await current()).values()].map(toUser);
      return users.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async find(name) {
      const user = (await current()).get(name.normalize('NFC'));
      return user && toUser(user);
    },

    async add(typed, password, account) {
      const name = typed.normalize('NFC');
      const problem = nameProblem(name);
      if (problem !== undefined) throw new UserError('form', `Not a user name: ${problem}.`);
      checkForm(password);
      const hash = await hashPassword(password, cost, environment.random);
      return change((users) => {
        if (users.has(name)) throw new UserError('taken', `There is a user '${name}' already.`);
        const user: StoredUser = {
          name,
          account,
          password: hash,
          change: nextChange(users),
          created: instant(),
          last_update: null,
          last_login: null,
        };
        users.set(name, user);
        return toUser(user);
      });
    },

    passwd: (name, password) => alter(name, { password }),
    alter,

    remove(typed) {
      const name = typed.normalize('NFC');
      return change((users) => {
        const user = existing(users, name);
        checkNotLast(users, user, users.size === 1 ? 'last_user' : 'last_admin');
        users.delete(name);
      });
    },

    async verify(name, password) {
      const users = await current();
      if (!isPassword(password)) return undefined;
      const user = users.get(name.normalize('NFC'));
      // An unknown name costs a hash as well, of the cost that the file has.
      const [stored = user] = user === undefined ? users.values() : [user];
      const right =
        stored === undefined
          ? await wasteTime(password, cost)
          : await checkPassword(password, stored.password);
      return right && user !== undefined ? toUser(user) : undefined;
    },

    noteLogin(name) {
      return change((users) => {
        const user = users.get(name);
        if (user !== undefined) users.set(name, { ...user, last_login: instant() });
      });
    },
  };
}

/** What {@link firstUser} made. */
export interface FirstUser {
  readonly name: string;
  /** The random password, to be shown to the operator once; undefined when the operator gave one. */
  readonly password: string | undefined;
}

/**
 * Makes the user `admin` when no user is an admin. Its password is `password`, or else that of the environment variable `SESSIONKIT_ADMIN_PASSWORD`, or
 * else a random one. Undefined when there is an admin already, or a user of that name who is none.
 *
 * @throws SessionError `INVALID_VALUE` (the given password has a wrong form), `CONFIG_INVALID`, `CONFLICT`.
 */
export async function firstUser(
  users: Users,
  options: {
    readonly password?: string | undefined;
    readonly environment?: Pick<Environment, 'random'> | undefined;
  } = {},
): Promise<FirstUser | undefined> {
  if ((await users.list()).some(({ account }) => account === 'admin')) return undefined;
  const given = options.password || process.env.SESSIONKIT_ADMIN_PASSWORD || undefined;
  const { random } = options.environment ?? processEnvironment;
  const password = given ?? Buffer.from(random(18)).toString('base64url');
  try {
    await users.add('admin', password, 'admin');
  } catch (error) {
    // Another process that started at the same moment was first.
    if ((await users.find('admin')) !== undefined) return undefined;
    throw error;
  }
  return { name: 'admin', password: given === undefined ? password : undefined };
}

function checkForm(password: string): void {
  if (isPassword(password)) return;
  throw new UserError(
    'form',
    `Not a password: it has 1 to ${PASSWORD_BYTES} bytes and no control characters.`,
  );
}

function existing(users: ReadonlyMap<string, StoredUser>, name: string): StoredUser {
  const user = users.get(name);
  if (user === undefined) throw new UserError('missing', `There is no user '${name}'.`);
  return user;
}

/** Without an admin nobody could make one. */
function checkNotLast(users: ReadonlyMap<string, StoredUser>, user: StoredUser, problem: UserProblem): void {
  const admins = [...users.values()].filter((other) => other.account === 'admin');
  if (user.account !== 'admin' || admins.length > 1) return;
  throw new UserError(problem, `'${user.name}' is the last admin. Add another admin first.`);
}

function toUser(user: StoredUser): User {
  return {
    name: user.name,
    account: user.account,
    change: user.change,
    created: Date.parse(user.created),
    lastUpdate: user.last_update === null ? undefined : Date.parse(user.last_update),
    lastLogin: user.last_login === null ? undefined : Date.parse(user.last_login),
  };
}
