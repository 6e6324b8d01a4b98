import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SessionError } from '@sessionkit/session-core';
import { firstUser, type Users } from './users.js';

/** What {@link firstUserInFile} made. */
export interface FirstUserInFile {
  readonly name: string;
  /** Where its password is. */
  readonly file: string;
}

/**
 * Makes the first admin as {@link firstUser} does, with a random password that goes to a file beside that of the users, `FILE.password`, which only its owner
 * can read. Undefined when nobody was made.
 *
 * @throws SessionError `CONFIG_INVALID` (also: the password cannot be written), `CONFLICT`.
 */
export async function firstUserInFile(users: Users): Promise<FirstUserInFile | undefined> {
  const file = `${users.file}.password`;
  // Of its own, as another process may start at the same moment; and written first, so that there is never a user whose password nobody knows.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const password = randomBytes(18).toString('base64url');
  await write(draft, password);
  const made = await firstUser(users, { password }).catch(async (error: unknown) => {
    await rm(draft, { force: true });
    throw error;
  });
  if (made === undefined) {
    await rm(draft, { force: true });
    return undefined;
  }
  const moved = await rename(draft, file).then(
    () => file,
    () => draft,
  );
  return { name: made.name, file: moved };
}

async function write(file: string, password: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${password}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new SessionError(
      'CONFIG_INVALID',
      `the password of the first admin user cannot be written to ${file}: make its folder writable, or set SESSIONKIT_ADMIN_PASSWORD`,
      { cause },
    );
  }
}
