// Looks at what a package ships: each file that its manifest names, sources for its source maps, and nothing that belongs to its tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Manifest, readManifest } from './world.js';

const OF_TESTS =
  /(^|\/)(tests?|__tests__|fixtures|coverage)\/|\.(test|spec)\.[cm]?[jt]s|(^|\/)(tsup|vitest)\.config|tsconfig/;
const ALWAYS = ['package.json', 'README.md', 'LICENSE'];

export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((file) => !file.startsWith('node_modules/'))
    .sort();
}

/** All that is wrong with the files of an installed package. */
export function faultsOf(folder: string): string[] {
  const manifest = readManifest(folder);
  const files = filesOf(folder);
  const has = new Set(files);
  const missing = [...new Set([...ALWAYS, ...namedFiles(manifest)])].filter((file) => !has.has(file));
  const code = files.filter((file) => file.startsWith('dist/') && /\.c?js$/.test(file));
  return [
    ...missing.map((file) => `${file} is named, but not there`),
    ...files.filter((file) => OF_TESTS.test(file)).map((file) => `${file} belongs to the tests`),
    ...(code.length === 0 ? ['dist/ has no code'] : []),
    ...code.flatMap((file) => faultsOfMap(folder, file)),
    ...faultsOfRanges(manifest),
  ];
}

/** Files that entry points, programs and the fields for old tools lead to. */
function namedFiles({ main, module, types, bin, exports }: Manifest): string[] {
  const leaves = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(leaves);
  const named = [main, module, types, ...Object.values(bin ?? {}), ...leaves(exports)];
  return named.filter((file) => file !== undefined).map((file) => file.replace(/^\.\//, ''));
}

function faultsOfMap(folder: string, file: string): string[] {
  const code = readFileSync(join(folder, file), 'utf8');
  const name = /^\/\/# sourceMappingURL=(\S+)\s*$/m.exec(code)?.[1];
  if (name === undefined) return [`${file} names no source map`];
  const path = join(folder, dirname(file), name);
  if (!existsSync(path)) return [`${file}: there is no ${name}`];
  const map = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly sources: readonly string[];
    readonly sourcesContent?: readonly (string | null)[] | undefined;
  };
  return map.sources.flatMap((source, at) => {
    const shipped = join(dirname(path), source);
    if (relative(folder, shipped).startsWith('..')) return [`${file}: its map leads out to ${source}`];
    if (!existsSync(shipped)) return [`${file}: its map names ${source}, which is not there`];
    const inside = map.sourcesContent?.[at];
    return typeof inside === 'string' && inside !== readFileSync(shipped, 'utf8')
      ? [`${file}: its map was made of another ${source}`]
      : [];
  });
}

function faultsOfRanges({ dependencies, peerDependencies, optionalDependencies }: Manifest): string[] {
  const ranges = Object.entries({ ...dependencies, ...peerDependencies, ...optionalDependencies });
  return ranges
    .filter(([name, range]) => !(/@?sessionkit/.test(name) ? /^\^\d+\.\d+\.\d+$/ : /^[\^~]?\d/).test(range))
    .map(([name, range]) => `package.json: ${name} ${range} is no range that npm installs for ever`);
}
