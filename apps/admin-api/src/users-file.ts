import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import { SessionError } from '@sessionkit/session-core';
import { PHC_FORM } from './password.js';

const LOCK_WAIT = 2_000;
const LOCK_RETRY = 20;

const nameSchema = z
  .string()
  .refine((name) => nameProblem(name) === undefined, { error: 'is not a user name' });

const storedUserSchema = z.strictObject({
  name: nameSchema,
  account: z.enum(['admin', 'basic']),
  password: z.string().regex(PHC_FORM, 'is not a scrypt hash in PHC form'),
  change: z.int().nonnegative(),
  created: z.iso.datetime(),
  last_update: z.iso.datetime().nullable(),
  last_login: z.iso.datetime().nullable(),
});

const fileSchema = z.strictObject({ format: z.literal(1), users: z.array(storedUserSchema) });

/** A user as the file holds it. */
export type StoredUser = z.infer<typeof storedUserSchema>;

/** Why `name` cannot be a user's; undefined when it can. A colon would end the name in Basic credentials (RFC 7617). */
export function nameProblem(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > 255) return 'a user name has 1 to 255 bytes';
  if (/[\p{Cc}:]/u.test(name)) return 'a user name has no colon and no control characters';
  if (name === '__proto__') return '__proto__ is no user name';
  return undefined;
}

/** Tells two states of the file apart: a rename changes the inode, an edit in place the times. */
export interface Stamp {
  readonly key: string;
  /** Somebody besides the owner can read or change it. */
  readonly exposed: boolean;
}

/** Stamp of the file; undefined when there is none. @throws SessionError `CONFIG_INVALID` when it cannot be looked at. */
export async function stampOf(file: string): Promise<Stamp | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs, mode } = await stat(file, { bigint: true });
    return { key: `${ino}.${size}.${mtimeNs}.${ctimeNs}`, exposed: (mode & 0o077n) !== 0n };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
}

/** Users of the file; none when there is no file. @throws SessionError `CONFIG_INVALID` with the path and the fix. */
export async function readUsers(file: string): Promise<readonly StoredUser[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw unreadable(file, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds password hashes.
    throw broken(file, 'it is not JSON');
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw broken(file, `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'wrong'}`);
  }
  const { users } = parsed.data;
  if (new Set(users.map((user) => user.name)).size !== users.length)
    throw broken(file, 'a user stands in it twice');
  return users;
}

/** The file behind symbolic links, so that a change replaces the file and not the link to it. @throws SessionError `CONFIG_INVALID` */
export async function targetOf(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return file;
    throw unreadable(file, error);
  }
}

/** Replaces the file: whole or not at all, readable by its owner only. The owner stays, also when root changes it for a server that runs as somebody else. */
export async function writeUsers(file: string, users: readonly StoredUser[]): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify({ format: 1, users }, null, 2)}\n`);
      await keepOwner(file, handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new SessionError(
      'CONFIG_INVALID',
      `The users file ${file} cannot be written: its folder must be writable.`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Runs `task` while no other process changes the file.
 * @throws SessionError `CONFLICT` when another one holds the lock for more than 2 s.
 */
export async function locked<T>(file: string, task: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`;
  await mkdir(dirname(file), { recursive: true });
  for (let waited = 0; !(await take(lock, file)); waited += LOCK_RETRY) {
    if (waited >= LOCK_WAIT) {
      throw new SessionError(
        'CONFLICT',
        `Another process is changing ${file}. If none is, one was killed while it did: remove ${lock}.`,
        { retryable: true },
      );
    }
    await delay(LOCK_RETRY);
  }
  try {
    return await task();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string, file: string): Promise<boolean> {
  try {
    const handle = await open(lock, 'wx', 0o600);
    await handle.close();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new SessionError(
      'CONFIG_INVALID',
      `The users file ${file} cannot be changed: its folder must be writable.`,
      {
        cause: error,
      },
    );
  }
}

async function keepOwner(file: string, handle: FileHandle): Promise<void> {
  if (process.getuid?.() !== 0) return;
  try {
    const { uid, gid } = await stat(file);
    await handle.chown(uid, gid);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there the rename alone has to do.
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function broken(file: string, why: string): SessionError {
  return new SessionError(
    'CONFIG_INVALID',
    `The users file ${file} is broken: ${why}. Restore it from a backup, or remove it and add the users again.`,
  );
}

function unreadable(file: string, cause: unknown): SessionError {
  return new SessionError(
    'CONFIG_INVALID',
    `The users file ${file} cannot be read (${codeOf(cause) ?? 'unknown error'}): it must be a file that this process may read.`,
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
