import { execFile } from 'node:child_process';
import { chown, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { find, freePort, type Program, Server, throwawayFolder } from './launch.js';

const run = promisify(execFile);

const MARIADBD: Program = {
  name: 'mariadbd',
  debian: 'mariadb-server',
  macos: 'mariadb',
  variable: 'MYSQL_URL',
};

export interface MariadbServer {
  /** `mysql://root@127.0.0.1:PORT/sessionkit` */
  readonly url: string;
  /** Undefined for a server that the environment named: it is not ours to stop. */
  readonly server: Server | undefined;
  stop(): Promise<void>;
}

/**
 * A MariaDB of its own on a free port, with a database `sessionkit`, or the server that `MYSQL_URL` names. It forgets acknowledged writes when it is killed unless `durable`.
 * Statements of a test belong into a database or tables of its own: a server that the environment named is not empty.
 */
export async function startMariadb(
  options: { durable?: boolean; args?: readonly string[] } = {},
): Promise<MariadbServer> {
  const given = process.env.MYSQL_URL;
  if (given !== undefined && options.args === undefined && options.durable === undefined)
    return { url: given, server: undefined, stop: async () => {} };

  const command = await find(MARIADBD);
  const install = await find({
    ...MARIADBD,
    name: 'mariadb-install-db',
    folders: [dirname(command), '/usr/bin'],
  });
  const identity = process.getuid?.() === 0 ? await userOf('mysql') : undefined;
  const folder = await throwawayFolder('mariadb');
  if (identity !== undefined) await chown(folder, identity.uid, identity.gid);
  const data = join(folder, 'data');
  const made = [`--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
  // A server that starts removes what it takes for its own left-overs from the folder of temporary tables, those of others in a folder that they share, too.
  const env = { ...process.env, TMPDIR: folder };
  // `--no-defaults` has to come first.
  await run(install, ['--no-defaults', ...made], { cwd: folder, env, ...identity });
  // Asked for as late as can be: others look for ports, too.
  const port = await freePort();
  const first = join(folder, 'first.sql');
  await writeFile(first, 'create database if not exists sessionkit character set utf8mb4;\n');
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--tmpdir=${folder}`,
    `--socket=${join(folder, 'socket')}`,
    `--init-file=${first}`,
    `--innodb-flush-log-at-trx-commit=${options.durable ? 1 : 0}`,
    '--skip-log-bin',
    '--skip-name-resolve',
    ...(options.args ?? []),
  ];
  const server = new Server({ command, args, folder, ...identity, ready: () => greets(port) });
  await server.start();
  return { url: `mysql://root@127.0.0.1:${port}/sessionkit`, server, stop: () => server.stop() };
}

/** Whether a server sends its greeting, which it does once it takes queries. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(false));
  });
}

async function userOf(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const ask = async (flag: string) => Number((await run('id', [flag, name])).stdout);
  return { uid: await ask('-u'), gid: await ask('-g') };
}
