import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SessionError } from '@sessionkit/session-core';

const LOCK_WAIT = 2_000;
const LOCK_RETRY = 20;

/** Tells two states of a file apart: a rename changes the inode, an edit in place the times. */
export interface Stamp {
  readonly key: string;
  /** Somebody besides the owner can read or change it. */
  readonly exposed: boolean;
}

/** A file of secrets that its owner alone can read, that several processes change, and that is replaced whole by each change. */
export class OwnedFile {
  readonly path: string;
  readonly #what: string;

  /** @param what it is called in messages, such as `users file` */
  constructor(what: string, path: string) {
    this.#what = what;
    this.path = path;
  }

  /** Undefined when there is none. @throws SessionError `CONFIG_INVALID` when it cannot be looked at. */
  async stamp(): Promise<Stamp | undefined> {
    try {
      const { ino, size, mtimeNs, ctimeNs, mode } = await stat(this.path, { bigint: true });
      return { key: `${ino}.${size}.${mtimeNs}.${ctimeNs}`, exposed: (mode & 0o077n) !== 0n };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw this.#unreadable(error);
    }
  }

  /** Undefined when there is none. @throws SessionError `CONFIG_INVALID` with the path and the fix. */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw this.#unreadable(error);
    }
  }

  /** The file behind symbolic links, so that a change replaces the file and not the link to it. @throws SessionError `CONFIG_INVALID` */
  async target(): Promise<OwnedFile> {
    try {
      return new OwnedFile(this.#what, await realpath(this.path));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return this;
      throw this.#unreadable(error);
    }
  }

  /** Replaces the file: whole or not at all. Its owner stays, also when root changes it for a server that runs as somebody else. */
  async write(text: string): Promise<void> {
    const { path } = this;
    const folder = dirname(path);
    const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(text);
        await keepOwner(path, handle);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      await syncFolder(folder);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new SessionError(
        'CONFIG_INVALID',
        `The ${this.#what} ${path} cannot be written: its folder must be writable.`,
        { cause: error },
      );
    }
  }

  /**
   * Runs `task` while no other process changes the file.
   * @throws SessionError `CONFLICT` when another one holds the lock for more than 2 s.
   */
  async locked<T>(task: () => Promise<T>): Promise<T> {
    const lock = `${this.path}.lock`;
    await mkdir(dirname(this.path), { recursive: true });
    for (let waited = 0; !(await this.#take(lock)); waited += LOCK_RETRY) {
      if (waited >= LOCK_WAIT) {
        throw new SessionError(
          'CONFLICT',
          `Another process is changing ${this.path}. If none is, one was killed while it did: remove ${lock}.`,
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

  /** What to throw when its content is wrong. @param fix a sentence */
  broken(why: string, fix: string): SessionError {
    return new SessionError('CONFIG_INVALID', `The ${this.#what} ${this.path} is broken: ${why}. ${fix}`);
  }

  async #take(lock: string): Promise<boolean> {
    try {
      const handle = await open(lock, 'wx', 0o600);
      await handle.close();
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw new SessionError(
        'CONFIG_INVALID',
        `The ${this.#what} ${this.path} cannot be changed: its folder must be writable.`,
        { cause: error },
      );
    }
  }

  #unreadable(cause: unknown): SessionError {
    return new SessionError(
      'CONFIG_INVALID',
      `The ${this.#what} ${this.path} cannot be read (${codeOf(cause) ?? 'unknown error'}): it must be a file that this process may read.`,
      { cause },
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

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
