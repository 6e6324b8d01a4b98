// What a user gets. `node scripts/consumer.mjs FOLDER` packs every package that is published, as `pnpm publish` would, into FOLDER/tarballs and installs them all
// by plain npm into the empty project FOLDER/app. On standard output: the names, each with its tarball, as JSON.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { publishable, root } from './workspaces.mjs';

const windows = process.platform === 'win32';

/** What a script of npm's passes on to everything below it is not what a user's npm would see. */
const OF_A_SCRIPT =
  /^(INIT_CWD|npm_(package|lifecycle|config_(local_|global_)?prefix|command|node_execpath))/;
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_A_SCRIPT.test(name)));

function must(command, args, options) {
  const done = spawnSync(command, args, { encoding: 'utf8', env, maxBuffer: 2 ** 26, ...options });
  if (done.status === 0) return;
  throw new Error(`${command} ${args.join(' ')}\n${done.error?.message ?? ''}${done.stdout}${done.stderr}`);
}

/** Packs into an empty folder; answers the tarball of each package by its name. */
export function pack(folder) {
  mkdirSync(folder, { recursive: true });
  const packages = publishable();
  const filters = packages.flatMap(({ folder: path }) => ['--filter', `./${path}`]);
  const args = ['scripts/run.mjs', 'pnpm', '-r', ...filters, 'pack', '--pack-destination', folder];
  must(process.execPath, args, { cwd: root });
  const files = new Set(readdirSync(folder));
  return Object.fromEntries(
    packages.map(({ name, manifest }) => {
      const file = `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
      if (!files.has(file)) throw new Error(`pnpm packed no ${file}`);
      return [name, join(folder, file)];
    }),
  );
}

/** Installs tarballs, and what they need, into a project that has nothing yet. */
export function install(folder, tarballs) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...tarballs];
  must('npm', args, { cwd: folder, shell: windows });
}

if (process.argv[1] === import.meta.filename) {
  const folder = resolve(process.argv[2]);
  const tarballs = pack(join(folder, 'tarballs'));
  install(join(folder, 'app'), Object.values(tarballs));
  console.log(JSON.stringify(tarballs));
}
