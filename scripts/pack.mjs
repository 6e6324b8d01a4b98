// Packs one package as it would be published and lets publint and attw judge the tarball: `node scripts/pack.mjs FOLDER`.
// A package whose packed files have not changed since they were found good is not packed again.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, workspaces } from './workspaces.mjs';

const folder = process.argv[2];
const home = join(root, folder);
const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
const bin = join(root, 'node_modules', '.bin');
const shell = process.platform === 'win32';

function contents() {
  const tools = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies;
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  hash.update(JSON.stringify([tools.publint, tools['@arethetypeswrong/cli'], process.version]));
  // Neighbours' versions are written into the tarball in place of workspace:^.
  hash.update(JSON.stringify(workspaces().map((w) => [w.name, w.manifest.version])));
  const add = (path) => hash.update(`${path}\n`).update(readFileSync(join(home, path)));
  add('package.json');
  for (const entry of manifest.files) {
    if (!existsSync(join(home, entry))) continue;
    if (statSync(join(home, entry)).isFile()) add(entry);
    else
      for (const file of readdirSync(join(home, entry), { recursive: true, withFileTypes: true })
        .filter((f) => f.isFile())
        .map((f) => join(f.parentPath, f.name))
        .sort())
        add(file.slice(home.length + 1));
  }
  return hash.digest('hex');
}

const good = join(root, 'node_modules', '.sessionkit', 'packed', `${folder.replaceAll('/', '-')}`);
const now = contents();
if (existsSync(good) && readFileSync(good, 'utf8') === now) process.exit(0);

const temporary = mkdtempSync(join(tmpdir(), 'sessionkit-pack-'));
let code = 1;
try {
  code = judge();
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
if (code === 0) {
  mkdirSync(join(good, '..'), { recursive: true });
  writeFileSync(good, now);
}
process.exit(code);

function judge() {
  const step = (command, args) => {
    const done = spawnSync(command, args, { cwd: home, encoding: 'utf8', shell });
    if (done.status !== 0)
      process.stderr.write(`${done.error?.message ?? ''}${done.stdout ?? ''}${done.stderr ?? ''}`);
    return done.status ?? 1;
  };
  const packed = step('pnpm', ['pack', '--pack-destination', temporary]);
  if (packed !== 0) return packed;
  const tarball = join(
    temporary,
    readdirSync(temporary).find((file) => file.endsWith('.tgz')),
  );
  const linted = step(join(bin, 'publint'), [tarball, '--strict']);
  // A program without an importable entry has no types to judge.
  if (manifest.exports['.'] === undefined) return linted;
  const types = step(join(bin, 'attw'), [tarball, '--profile', 'node16', '--format', 'ascii', '--no-color']);
  return linted || types;
}
