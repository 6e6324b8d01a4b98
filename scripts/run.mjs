// Every root script goes through here: `node scripts/run.mjs <verb> [arguments]`. It needs Node and npm, nothing else:
// it finds or fetches pnpm, installs when something changed since the last time, builds, and hands over to the verb.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChild } from './child.mjs';
import { root, workspaces } from './workspaces.mjs';

const major = process.versions.node.split('.')[0];
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pnpmVersion = manifest.packageManager.split('@')[1];
const state = join(root, 'node_modules', '.sessionkit');
const windows = process.platform === 'win32';

const env = {
  ...process.env,
  // turbo's hash does not know the Node version and would replay another one's results.
  SESSIONKIT_NODE_MAJOR: major,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
};

const say = (text) => console.error(`sessionkit: ${text}`);
const fail = (text) => {
  say(text);
  process.exit(1);
};

const run = (command, args, options) => runChild(command, args, { cwd: root, env, ...options });

let stopped = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopped = 128 + constants.signals[signal];
  });
}

/** A step without which the rest makes no sense; nor does it once we were told to stop. */
async function must(command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0 || stopped !== 0) process.exit(code || stopped);
}

const node = (script, args = []) => run(process.execPath, [join(root, script), ...args]);
const tool = (name, args = []) => run(join(root, 'node_modules', '.bin', name), args);

// ---- pnpm -------------------------------------------------------------------------------------------------------

const addToPath = (folder) => {
  const key = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  env[key] = [folder, env[key]].join(delimiter);
};

/** Puts the pnpm of "packageManager" on PATH: the one that is there, the one npx fetched before, or a fresh one. */
function providePnpm() {
  const there = spawnSync('pnpm', ['--version'], { cwd: root, env, encoding: 'utf8', shell: windows });
  if (there.status === 0 && there.stdout.trim() === pnpmVersion) return;
  const note = join(state, `pnpm-${pnpmVersion}-node${major}`);
  if (existsSync(note)) {
    const folder = readFileSync(note, 'utf8');
    if (existsSync(join(folder, 'pnpm'))) return addToPath(folder);
  }
  say(`fetching pnpm ${pnpmVersion}…`);
  const print = 'node -p "process.env.PATH ?? process.env.Path"';
  const args = ['--yes', '--prefer-offline', '--package', `pnpm@${pnpmVersion}`, '--call', print];
  const found = spawnSync('npx', args, {
    cwd: root,
    env,
    encoding: 'utf8',
    shell: windows,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (found.status !== 0) fail(`npx could not fetch pnpm ${pnpmVersion}; is the npm registry reachable?`);
  const folder = found.stdout
    .trim()
    .split('\n')
    .at(-1)
    .split(delimiter)
    .find((entry) => entry.includes('_npx') && existsSync(join(entry, 'pnpm')));
  if (folder === undefined) fail(`npx fetched pnpm ${pnpmVersion} but it is not on its PATH`);
  mkdirSync(state, { recursive: true });
  writeFileSync(note, folder);
  addToPath(folder);
}

// ---- install ----------------------------------------------------------------------------------------------------

/** What an install depends on. */
function installHash() {
  const hash = createHash('sha256').update(`node ${major}\n`);
  const files = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'package.json',
    ...workspaces().map((w) => `${w.folder}/package.json`),
  ];
  for (const file of files) {
    hash.update(`${file}\n`);
    if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/** Two scripts started at once in one checkout take turns; the lock of a process that died is taken over. */
async function locked(work) {
  const lock = join(state, 'lock');
  mkdirSync(state, { recursive: true });
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!held(lock)) rmSync(lock, { force: true });
    else {
      if (!told) say('waiting for another install or build in this checkout…');
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  const release = () => rmSync(lock, { force: true });
  process.on('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function held(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    if (!pid) return Date.now() - statSync(lock).mtimeMs < 5_000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function install() {
  const stamp = join(state, 'installed');
  const hash = installHash();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  say('installing…');
  await must('pnpm', ['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only'], {
    stdio: ['ignore', 2, 2],
  });
  mkdirSync(state, { recursive: true });
  writeFileSync(stamp, hash);
}

// ---- build ------------------------------------------------------------------------------------------------------

async function build(filters = []) {
  say('building…');
  const args = ['run', 'build', '--output-logs=errors-only', ...filters.map((name) => `--filter=${name}`)];
  await must(join(root, 'node_modules', '.bin', 'turbo'), args, { stdio: ['ignore', 2, 2] });
}

/** The packages that a command line names (`npm test -- backend-memory`). */
const named = (args) =>
  workspaces().filter((w) => args.some((arg) => arg.replace(/^@sessionkit\//, '') === w.short));

/** What these need of turbo: themselves and what they depend on, or everything where one of them looks at all packages. */
const filtersFor = (args) => {
  const all = named(args);
  return all.some((w) => w.manifest.sessionkit?.builds === 'everything')
    ? []
    : all.map((w) => `${w.name}...`);
};

// ---- the verbs --------------------------------------------------------------------------------------------------

const verbs = {
  build: {
    needs: 'install',
    run: (args) => locked(() => build(filtersFor(args))).then(() => 0),
  },
  test: { needs: 'install', run: test },
  'test:long': { needs: 'install', run: testLong },
  check: { needs: 'build', run: (args) => node('scripts/test.mjs', ['--checks-only', ...args]) },
  start: { needs: 'build', run: (args) => node('scripts/start.mjs', args) },
  bench: {
    needs: 'build',
    run: (args) => run(process.execPath, ['main.mjs', ...args], { cwd: join(root, 'tests/bench') }),
  },
  soak: { needs: 'build', run: soak },
  lint: { needs: 'install', run: (args) => tool('biome', ['check', ...args]) },
  format: { needs: 'install', run: (args) => tool('biome', ['check', '--write', ...args]) },
  typecheck: { needs: 'install', run: (args) => node('scripts/typecheck.mjs', args) },
  'stores-table': { needs: 'install', run: storesTable },
  options: {
    needs: 'install',
    run: () => tool('vitest', ['run', '--project', 'docs', 'readmes.test.ts', '--update']),
  },
  release: { needs: 'build', run: release },
  new: { needs: 'install', run: (args) => locked(() => node('scripts/new.mjs', args)) },
  sizes: { needs: 'build', run: (args) => node('scripts/sizes.mjs', ['--write', ...args]) },
  // For developers: the repository's own pnpm, for example `node scripts/run.mjs pnpm install`.
  pnpm: { needs: 'nothing', run: (args) => locked(() => run('pnpm', args)) },
};

async function test(args) {
  await locked(() => build(filtersFor(args)));
  return node('scripts/test.mjs', args);
}

/** The long run leaves its output behind as evidence, without colours and without this machine's paths. */
async function testLong(args) {
  env.SESSIONKIT_LONG = '1';
  await locked(() => build());
  return node('scripts/test.mjs', ['--tee', 'docs/evidence/test-long.txt', ...args]);
}

/** Sessions at random for ten minutes, or `--minutes N`; what the processes held is left behind as evidence. */
async function soak(args) {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '10' } } });
  env.SESSIONKIT_SOAK_MINUTES = values.minutes;
  env.SESSIONKIT_SOAK_OUT = join(root, 'docs', 'evidence', 'soak.txt');
  return tool('vitest', ['run', '--project', 'e2e', 'fleet.soak.ts']);
}

/** Measures every store anew, and writes what was found into its `facts.json` and into the table of the README. */
async function storesTable() {
  for (const filter of [['facts.test.ts'], ['--project', 'table']]) {
    // The option takes what follows it for its value.
    const code = await tool('vitest', ['run', ...filter, '--update']);
    if (code !== 0) return code;
  }
  return 0;
}

/**
 * `release version` turns the pending changesets into versions and changelogs; `release` publishes what is new; `release --dry-run` tells what both would do.
 */
async function release(args) {
  if (args.includes('--dry-run')) return node('scripts/release.mjs', args);
  if (args[0] === 'version') return tool('changeset', args);
  return tool('changeset', ['publish', ...args]);
}

const [name, ...given] = process.argv.slice(2);
const args = given[0] === '--' ? given.slice(1) : given;
const verb = Object.hasOwn(verbs, name ?? '') ? verbs[name] : undefined;
if (verb === undefined) fail(`usage: node scripts/run.mjs <${Object.keys(verbs).join('|')}> [arguments]`);

providePnpm();
addToPath(dirname(process.execPath));
await locked(async () => {
  if (verb.needs !== 'nothing') await install();
  if (verb.needs === 'build') await build();
});
process.exitCode = await verb.run(args);
