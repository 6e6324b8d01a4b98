// The line of each README that says how large its package is and how many others come with it, measured: `npm run sizes` writes it. Without --write it is compared, a tenth more or
// less is as good. --consumer FOLDER is what consumer.mjs has made; else that is done here.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { install, pack } from './consumer.mjs';
import { publishable, root } from './workspaces.mjs';

const TOLERANCE = 0.1;
const LINE = /^Size: ([\d.]+ [kM]B) as a tarball, ([\d.]+ [kM]B) installed; (.*)$/m;

const shown = (bytes) =>
  bytes < 999_500 ? `${Math.max(1, Math.round(bytes / 1_000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
const bytesOf = (text) => {
  const [number, unit] = text.split(' ');
  return Number(number) * (unit === 'MB' ? 1_000_000 : 1_000);
};

/** Bytes of an installed package, without those of others that lie inside. */
function sizeOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.slice(folder.length).includes('/node_modules/'))
    .reduce((sum, path) => sum + statSync(path).size, 0);
}

/** Where `require` in a package would find another one; undefined when it is not installed. */
function resolve(name, from) {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
  }
  return undefined;
}

/** Folders of a package and of everything that npm installs for it. */
function closureOf(folder, seen = new Set()) {
  if (seen.has(folder)) return seen;
  seen.add(folder);
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
  for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) {
    const found = resolve(name, folder);
    if (found !== undefined) closureOf(found, seen);
  }
  return seen;
}

function measure(app, tarball, name) {
  const own = join(app, 'node_modules', name);
  const all = [...closureOf(own)];
  return {
    tarball: statSync(tarball).size,
    installed: sizeOf(own),
    dependencies: all.length - 1,
    total: all.reduce((sum, folder) => sum + sizeOf(folder), 0),
  };
}

function lineOf({ tarball, installed, dependencies, total }) {
  const others = dependencies === 1 ? '1 dependency' : `${dependencies} dependencies`;
  const with_ = dependencies === 0 ? 'no dependency.' : `${others}, ${shown(total)} with them.`;
  return `Size: ${shown(tarball)} as a tarball, ${shown(installed)} installed; ${with_}`;
}

const near = (stated, measured) =>
  Math.abs(bytesOf(stated) - measured) <= Math.max(1_000, TOLERANCE * measured);

/** What is wrong with the line of a README; undefined when it is true. */
function staleness(text, sizes) {
  const [line, tarball, installed, others] = LINE.exec(text) ?? [];
  if (line === undefined) return `there is no line "${lineOf(sizes)}"`;
  const [, count = '0', total] = /^(\d+) dependenc\w+, ([\d.]+ [kM]B) with them\.$/.exec(others) ?? [];
  const sound =
    near(tarball, sizes.tarball) &&
    near(installed, sizes.installed) &&
    Number(count) === sizes.dependencies &&
    (sizes.dependencies === 0
      ? others === 'no dependency.'
      : total !== undefined && near(total, sizes.total));
  return sound ? undefined : `"${line}" should be "${lineOf(sizes)}"`;
}

/** With the line in its place: the end of what stands before the first heading. */
function withLine(text, sizes) {
  if (LINE.test(text)) return text.replace(LINE, () => lineOf(sizes));
  return text.replace(/\n## /, () => `\n${lineOf(sizes)}\n\n## `);
}

const { values } = parseArgs({ options: { write: { type: 'boolean' }, consumer: { type: 'string' } } });
const folder = values.consumer ?? mkdtempSync(join(tmpdir(), 'sessionkit-sizes-'));
try {
  const tarballs = values.consumer ? undefined : pack(join(folder, 'tarballs'));
  if (tarballs !== undefined) install(join(folder, 'app'), Object.values(tarballs));
  let stale = 0;
  const packages = publishable();
  for (const { name, folder: path, manifest } of packages) {
    const file = `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
    const sizes = measure(join(folder, 'app'), join(folder, 'tarballs', file), name);
    const readme = join(root, path, 'README.md');
    const text = existsSync(readme) ? readFileSync(readme, 'utf8') : '';
    const problem = staleness(text, sizes);
    if (problem === undefined) continue;
    stale++;
    if (values.write && text !== '') writeFileSync(readme, withLine(text, sizes));
    console.log(`${path}/README.md: ${values.write ? `now ${lineOf(sizes)}` : problem}`);
  }
  console.log(
    `sizes: ${packages.length} READMEs, ${stale} ${values.write ? 'written' : 'stale: npm run sizes'}`,
  );
  if (stale > 0 && !values.write) process.exitCode = 1;
} finally {
  if (!values.consumer) rmSync(folder, { recursive: true, force: true });
}
