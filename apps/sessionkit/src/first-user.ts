import { randomBytes } from 'node:crypto';
import { firstUser, firstUserInFile, type Users } from '@sessionkit/admin-api';
import type { Logs } from './log.js';

/** 144 random bits. */
export const generatePassword = () => randomBytes(18).toString('base64url');

/**
 * Makes the first admin when there is none. Its password is that of `SESSIONKIT_ADMIN_PASSWORD`, or a random one, which goes to the terminal, or, where there
 * is none, to a file that only its owner can read: a log would keep it for everybody.
 *
 * @throws SessionError `CONFIG_INVALID`, `INVALID_VALUE` (the variable holds no password).
 */
export async function makeFirstUser(users: Users, usersFile: string, logs: Logs): Promise<void> {
  const present = await users.list();
  if (present.some(({ account }) => account === 'admin')) return;
  if (present.some(({ name }) => name === 'admin')) {
    const fix = 'sessionkit user add NAME --role admin';
    logs.log('warning', `no user in ${usersFile} is an admin, so that nobody can change anything: ${fix}`);
    return;
  }
  if (process.env.SESSIONKIT_ADMIN_PASSWORD) {
    if ((await firstUser(users)) === undefined) return;
    logs.log('notice', 'the admin user "admin" was made, with the password of SESSIONKIT_ADMIN_PASSWORD');
    return;
  }
  if (process.stdout.isTTY) {
    const password = generatePassword();
    const made = await firstUser(users, { password });
    if (made === undefined) return;
    process.stdout.write(`\nThe admin user was made. It is shown this once:\n  ${made.name} ${password}\n\n`);
    return;
  }
  const made = await firstUserInFile(users);
  if (made === undefined) return;
  logs.log(
    'notice',
    `the admin user "${made.name}" was made; its password is in ${made.file}, which you may delete`,
  );
}
