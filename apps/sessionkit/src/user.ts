import { existsSync } from 'node:fs';
import { createUsers, type Users } from '@sessionkit/admin-api';
import { loadConfig } from './config-file.js';
import { DEFAULT_FILE } from './default-file.js';
import { choosePassword } from './password.js';
import { print } from './print.js';
import { plain, Table } from './sessions/text.js';

interface FileOptions {
  readonly config?: string | undefined;
  readonly usersFile?: string | undefined;
}

interface PasswordOptions extends FileOptions {
  readonly generate?: boolean | undefined;
}

/** Used when there is neither an option nor a configuration; the default of `admin.users_file`, too. */
const DEFAULT_USERS = 'sessionkit-users.json';

/** `sessionkit user add`. Answers the exit code, as its neighbours do. @throws SessionError `INVALID_VALUE`, `CONFIG_INVALID`, `CONFLICT`. */
export async function addUser(
  name: string,
  options: PasswordOptions & { readonly role: 'admin' | 'basic' },
): Promise<number> {
  return withUsers(options, async (users, file) => {
    const { password, generated } = await choosePassword(options.generate ?? false);
    await users.add(name, password, options.role);
    tell(`added ${name} (${options.role}) to ${file}`, generated ? password : undefined);
  });
}

/** `sessionkit user passwd`. Throws as {@link addUser} does. */
export async function changePassword(name: string, options: PasswordOptions): Promise<number> {
  return withUsers(options, async (users, file) => {
    const { password, generated } = await choosePassword(options.generate ?? false);
    await users.passwd(name, password);
    tell(`changed the password of ${name} in ${file}`, generated ? password : undefined);
  });
}

/** `sessionkit user remove`. Throws as {@link addUser} does. */
export async function removeUser(name: string, options: FileOptions): Promise<number> {
  return withUsers(options, async (users, file) => {
    await users.remove(name);
    tell(`removed ${name} from ${file}`, undefined);
  });
}

/** `sessionkit user list`: a user a line, with the role. Throws as {@link addUser} does. */
export async function listUsers(options: FileOptions): Promise<number> {
  return withUsers(options, async (users, file) => {
    const present = await users.list();
    if (present.length === 0) return print(`there are no users in ${file}`);
    const rows = present.map(({ name, account }) => [plain(name), account]);
    process.stdout.write(new Table(['NAME', 'ROLE']).add(rows));
  });
}

async function withUsers(
  options: FileOptions,
  task: (users: Users, file: string) => Promise<void>,
): Promise<number> {
  const file = options.usersFile ?? (await usersFileOf(options.config));
  if (file === undefined) return 1;
  await task(createUsers({ file }), file);
  return 0;
}

async function usersFileOf(named: string | undefined): Promise<string | undefined> {
  if (named === undefined && !existsSync(DEFAULT_FILE)) return DEFAULT_USERS;
  const config = await loadConfig(named, () => {});
  if (config === undefined) return undefined;
  if (config.admin === undefined)
    print(`${config.file}: it has no admin API, so name the file: --users-file`);
  return config.admin?.usersFile;
}

/** A password that was made here is told once, on stdout, where nothing else is. */
function tell(what: string, password: string | undefined): void {
  print(what);
  if (password !== undefined) process.stdout.write(`password: ${password}\n`);
}
