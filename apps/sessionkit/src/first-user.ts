import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { firstUser, type Users } from '@sessionkit/admin-api';
import { SessionError } from '@sessionkit/session-core';
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
    await firstUser(users);
    logs.log('notice', 'the admin user "admin" was made, with the password of SESSIONKIT_ADMIN_PASSWORD');
    return;
  }
  const password = generatePassword();
  if (process.stdout.isTTY) {
    const made = await firstUser(users, { password });
    if (made === undefined) return;
    process.stdout.write(`\nThe admin user was made. It is shown this once:\n  ${made.name} ${password}\n\n`);
    return;
  }
  // Written before the user is made, so that there is never a user whose password nobody knows.
  const file = `${usersFile}.password`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await rm(file, { force: true });
    await writeFile(file, `${password}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new SessionError(
      'CONFIG_INVALID',
      `the password of the first admin user cannot be written to ${file}: make its folder writable, or set SESSIONKIT_ADMIN_PASSWORD`,
      { cause },
    );
  }
  const made = await firstUser(users, { password });
  if (made === undefined) await rm(file, { force: true });
  else
    logs.log(
      'notice',
      `the admin user "${made.name}" was made; its password is in ${file}, which you may delete`,
    );
}
