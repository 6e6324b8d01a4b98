import { SessionError } from '@sessionkit/session-core';
import type { Access } from './auth.js';
import { AdminError } from './errors.js';
import type { Call } from './route.js';
import { UserError } from './users.js';

/**
 * Runs `task` on users and tokens, which are kept in files.
 * @throws AdminError 501 (the application knows its operators itself), 503 (a file cannot be used; the log says why), 409 (another process is changing it).
 */
export async function withFiles<T>(
  { access, environment }: Call,
  task: (access: Access) => Promise<T>,
): Promise<T> {
  if (access === undefined) {
    throw new AdminError(
      501,
      'There are no users and tokens here: the application knows its operators itself.',
    );
  }
  try {
    return await task(access);
  } catch (error) {
    if (!(error instanceof SessionError) || error instanceof UserError) throw error;
    if (error.code === 'CONFLICT')
      throw new AdminError(409, 'Another process is changing the users. Try again.');
    environment.log({
      level: 'error',
      message: 'the files of users and tokens of the admin API cannot be used',
      error,
    });
    throw new AdminError(503, 'The users cannot be read or changed. The log of the process says why.');
  }
}
