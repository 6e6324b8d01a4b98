// `pnpm release --dry-run`: which versions would go out, and what npm would be given, worked out in a copy; changes nothing here. --json tells it to programs;
// --if NAME:BUMP (session-core:minor) asks what one change alone would do, in place of the changesets that are pending.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, workspaces } from './workspaces.mjs';

const LEFT_OUT = new Set(['node_modules', 'test', '.turbo']);
const BUMPS = ['major', 'minor', 'patch'];

function must(command, args, cwd) {
  const shell = process.platform === 'win32';
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', shell, maxBuffer: 2 ** 26 });
  if (done.status === 0) return done.stdout;
  throw new Error(`${command} ${args.join(' ')}\n${done.error?.message ?? ''}${done.stdout}${done.stderr}`);
}

/** As much of the repository as versions and tarballs are made of. */
function copyTo(folder) {
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'LICENSE', '.changeset'])
    cpSync(join(root, file), join(folder, file), { recursive: true });
  for (const { folder: path, manifest } of workspaces()) {
    const files = manifest.private ? ['package.json'] : readdirSync(join(root, path));
    for (const file of files.filter((each) => !LEFT_OUT.has(each)))
      cpSync(join(root, path, file), join(folder, path, file), { recursive: true });
  }
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(
    join(root, 'node_modules', '@changesets'),
    join(folder, 'node_modules', '@changesets'),
    'junction',
  );
  // changesets asks git when each of them came.
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n');
  must('git', ['init', '-q'], folder);
  must('git', ['add', '.changeset', 'package.json'], folder);
  must('git', ['-c', 'user.name=dry run', '-c', 'user.email=', 'commit', '-qm', 'copy'], folder);
}

/** `NAME:BUMP` as a changeset. */
function changesetOf(what) {
  const [short, bump] = what.split(':');
  const target = workspaces().find((w) => !w.manifest.private && [w.short, w.name].includes(short));
  if (target === undefined || !BUMPS.includes(bump))
    throw new Error(
      `--if ${what}: give a package that is published and ${BUMPS.join(', ')}, such as session-core:minor`,
    );
  return `---\n'${target.name}': ${bump}\n---\n\nWhat if.\n`;
}

/** One change alone in place of what is pending. */
function replaceChangesets(folder, changeset) {
  const home = join(folder, '.changeset');
  for (const file of readdirSync(home).filter((each) => each.endsWith('.md'))) rmSync(join(home, file));
  writeFileSync(join(home, 'asked.md'), changeset);
}

const manifestIn = (folder, path) => JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'));

/** What of a package would go to npm: the tarball that pnpm makes of its new version. */
function packed(folder, path) {
  const to = join(folder, 'tarballs');
  mkdirSync(to, { recursive: true });
  // pnpm reads the versions of neighbours where they are installed.
  for (const { name, folder: other } of workspaces()) {
    const link = join(folder, path, 'node_modules', name);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(folder, other), link, 'junction');
  }
  const before = new Set(readdirSync(to));
  must('pnpm', ['pack', '--pack-destination', to], join(folder, path));
  const file = readdirSync(to).find((each) => !before.has(each));
  const files = must('tar', ['-tzf', file], to).trim().split('\n');
  const manifest = JSON.parse(must('tar', ['-xzOf', file, 'package/package.json'], to));
  const ours = Object.entries({ ...manifest.peerDependencies, ...manifest.dependencies }).filter(([name]) =>
    workspaces().some((w) => w.name === name),
  );
  return {
    tarball: basename(file),
    bytes: statSync(join(to, file)).size,
    files: files.length,
    ours: Object.fromEntries(ours),
  };
}

function dryRun(what) {
  const changeset = what === undefined ? undefined : changesetOf(what);
  const folder = mkdtempSync(join(tmpdir(), 'sessionkit-release-'));
  try {
    copyTo(folder);
    if (changeset !== undefined) replaceChangesets(folder, changeset);
    must(process.execPath, [join(root, 'node_modules', '@changesets', 'cli', 'bin.js'), 'version'], folder);
    return workspaces()
      .filter(({ manifest }) => !manifest.private)
      .map(({ name, folder: path, manifest: { version: from } }) => ({
        name,
        path,
        from,
        to: manifestIn(folder, path).version,
      }))
      .map((each) => (each.from === each.to ? each : { ...each, ...packed(folder, each.path) }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: { 'dry-run': { type: 'boolean' }, json: { type: 'boolean' }, if: { type: 'string' } },
});
try {
  const releases = dryRun(values.if);
  const out = releases.filter(({ from, to }) => from !== to);
  if (values.json) console.log(JSON.stringify(releases));
  else {
    for (const { name, from, to, tarball, bytes, files, ours } of out) {
      console.log(
        `${name} ${from} -> ${to}   npm publish ${tarball} --access public (${files} files, ${Math.round(bytes / 1000)} kB)`,
      );
      for (const [dependency, range] of Object.entries(ours)) console.log(`    ${dependency} ${range}`);
    }
    for (const { name, from } of releases.filter((each) => !out.includes(each)))
      console.log(`${name} ${from} stays`);
    console.log(`release: ${out.length} of ${releases.length} packages would go out; nothing was changed`);
  }
} catch (error) {
  console.error(`sessionkit: ${error.message}`);
  process.exitCode = 1;
}
