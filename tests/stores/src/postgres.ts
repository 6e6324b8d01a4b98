import { execFile } from 'node:child_process';
import { chown, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { find, freePort, Server, throwawayFolder } from './launch.js';

const run = promisify(execFile);
const DEBIAN_FOLDER = '/usr/lib/postgresql';

export interface PostgresServer {
  /** `postgres://USER@127.0.0.1:PORT/DATABASE` */
  readonly url: string;
  /** Undefined for a server that the environment named: it is not ours to stop. */
  readonly server: Server | undefined;
  stop(): Promise<void>;
}

/**
 * A PostgreSQL of its own on a free port, with `pg_stat_statements` loaded, or the one that `POSTGRES_URL` names. It forgets acknowledged writes when it is
 * killed unless `durable`. Statements of a test belong into a schema of its own: a server that the environment named is not empty.
 */
export async function startPostgres(
  options: { durable?: boolean; settings?: Readonly<Record<string, string>> } = {},
): Promise<PostgresServer> {
  const given = process.env.POSTGRES_URL;
  if (given !== undefined && options.settings === undefined && options.durable === undefined)
    return { url: given, server: undefined, stop: async () => {} };

  const initdb = await find({
    name: 'initdb',
    folders: await versions(),
    debian: 'postgresql',
    variable: 'POSTGRES_URL',
  }).catch(async (error: unknown) => {
    // The folder of the package carries its version, which is known once it is installed.
    const [newest] = await versions();
    if (newest === undefined) throw error;
    return join(newest, 'initdb');
  });
  // A link to it may stand alone in a folder of PATH.
  const programs = dirname(await realpath(initdb));
  const port = await freePort();
  const folder = await throwawayFolder('postgres');
  const data = join(folder, 'data');
  // It refuses to run as root; the package of a system brings a user for it.
  const identity = process.getuid?.() === 0 ? await userOf('postgres') : undefined;
  if (identity !== undefined) await chown(folder, identity.uid, identity.gid);
  const made = ['-D', data, '-U', 'test', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
  await run(initdb, made, { cwd: folder, ...identity });

  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    shared_preload_libraries: 'pg_stat_statements',
    ...(options.durable ? {} : { fsync: 'off' }),
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const ready = async () => {
    await run(join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', `${port}`]);
    return true;
  };
  const command = join(programs, 'postgres');
  const server = new Server({
    command,
    args: ['-D', data, '-p', `${port}`, ...flags],
    folder,
    ...identity,
    ready,
  });
  await server.start();
  const stop = () => server.stop('SIGQUIT');
  return { url: `postgres://test@127.0.0.1:${port}/postgres`, server, stop };
}

/** Folders of the programs of installed versions, the newest first. */
async function versions(): Promise<string[]> {
  const names = await readdir(DEBIAN_FOLDER).catch(() => []);
  return names.sort((a, b) => Number(b) - Number(a)).map((name) => join(DEBIAN_FOLDER, name, 'bin'));
}

async function userOf(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const ask = async (flag: string) => Number((await run('id', [flag, name])).stdout);
  return { uid: await ask('-u'), gid: await ask('-g') };
}
