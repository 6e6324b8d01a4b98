import { execFile } from 'node:child_process';
import { chown, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { find, freePort, Server, throwawayFolder } from './launch.js';

const run = promisify(execFile);
const DEBIAN_FOLDER = '/usr/lib/postgresql';
/** A formula with a version is not linked into the folders of `PATH`. */
const FORMULA = 'postgresql@17';
const HOMEBREW = ['/opt/homebrew', '/usr/local'].map((prefix) => `${prefix}/opt/${FORMULA}/bin`);

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

  const { programs, identity } = await programsOf();
  const port = await freePort();
  const folder = await throwawayFolder('postgres');
  const data = join(folder, 'data');
  if (identity !== undefined) await chown(folder, identity.uid, identity.gid);
  const made = ['-D', data, '-U', 'test', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
  await run(join(programs, 'initdb'), made, { cwd: folder, ...identity });

  const settings = {
    shared_preload_libraries: 'pg_stat_statements',
    ...(options.durable ? {} : { fsync: 'off' }),
    ...options.settings,
  };
  const server = serverOn({ programs, identity }, folder, data, port, settings);
  await server.start();
  const stop = () => server.stop('SIGQUIT');
  return { url: urlOf(port), server, stop };
}

export interface PostgresPair {
  /** Of the primary. */
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** Makes the standby a primary. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A primary whose `synchronous_standby_names` names a standby, which streams from it. Commits wait for it only where `synchronous_commit` is raised from `local`, which it is
 * by itself.
 */
export async function startPostgresPair(): Promise<PostgresPair> {
  const settings = { synchronous_standby_names: 'standby', synchronous_commit: 'local' };
  const primary = await startPostgres({ durable: true, settings });
  const own = await programsOf();
  const { programs, identity } = own;
  const folder = await throwawayFolder('postgres');
  if (identity !== undefined) await chown(folder, identity.uid, identity.gid);
  const data = join(folder, 'data');
  const from = `host=127.0.0.1 port=${new URL(primary.url).port} user=test application_name=standby`;
  const copy = ['-D', data, '-R', '-X', 'stream', '-c', 'fast', '-d', from];
  await run(join(programs, 'pg_basebackup'), copy, { cwd: folder, ...identity });
  const port = await freePort();
  // Nobody stands by it when it is the primary.
  const server = serverOn(own, folder, data, port, { synchronous_commit: settings.synchronous_commit });
  await server.start();
  const stop = () => server.stop('SIGQUIT');
  return {
    primary,
    standby: { url: urlOf(port), server, stop },
    async promote() {
      const off = ['-D', data, '-w', 'promote'];
      await run(join(programs, 'pg_ctl'), off, { cwd: folder, ...identity });
    },
    stop: async () => {
      await Promise.all([primary.stop(), stop()]);
    },
  };
}

interface Programs {
  /** Their folder. */
  readonly programs: string;
  /** It refuses to run as root; the package of a system brings a user for it. */
  readonly identity: { readonly uid: number; readonly gid: number } | undefined;
}

async function programsOf(): Promise<Programs> {
  const initdb = await find({
    name: 'initdb',
    folders: [...(await versions()), ...HOMEBREW],
    debian: 'postgresql',
    macos: FORMULA,
    variable: 'POSTGRES_URL',
  }).catch(async (error: unknown) => {
    // The folder of the package carries its version, which is known once it is installed.
    const [newest] = await versions();
    if (newest === undefined) throw error;
    return join(newest, 'initdb');
  });
  // A link to it may stand alone in a folder of PATH.
  const programs = dirname(await realpath(initdb));
  return { programs, identity: process.getuid?.() === 0 ? await userOf('postgres') : undefined };
}

function serverOn(
  { programs, identity }: Programs,
  folder: string,
  data: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): Server {
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: folder, ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const ready = async () => {
    await run(join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', `${port}`]);
    return true;
  };
  const command = join(programs, 'postgres');
  return new Server({ command, args: ['-D', data, '-p', `${port}`, ...flags], folder, ...identity, ready });
}

function urlOf(port: number): string {
  return `postgres://test@127.0.0.1:${port}/postgres`;
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
