import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the file of a module is; or why there is none. */
export type Resolved =
  | { readonly kind: 'file'; readonly file: string }
  /** No such package, or no such file. */
  | { readonly kind: 'missing' }
  /** The package is there, but has no such entry. */
  | { readonly kind: 'no-entry'; readonly folder: string };

// A program that requires us gets the CommonJS copy of every package, so that all of them share one session-core.
const FORMATS = typeof __filename === 'string' ? ['require', 'import'] : ['import', 'require'];

export const isLocal = (specifier: string) => /^(\.{1,2}(\/|$)|\/|file:|[A-Za-z]:[\\/])/.test(specifier);

/** `@acme/thing/module` as `['@acme/thing', './module']`. */
export function splitSpecifier(specifier: string): readonly [name: string, subpath: string] {
  const parts = specifier.split('/');
  const length = specifier.startsWith('@') ? 2 : 1;
  return [parts.slice(0, length).join('/'), ['.', ...parts.slice(length)].join('/')];
}

/**
 * Finds a module from a folder, as `import` in a file of that folder would. Node itself resolves for the file that calls it only.
 *
 * @param conditions Of `exports`, besides `node`, `import` or `require`, and `default`.
 */
export function resolveModule(specifier: string, folder: string, conditions: readonly string[]): Resolved {
  if (isLocal(specifier)) {
    const file = localFile(specifier, folder);
    return file !== undefined && existsSync(file) && statSync(file).isFile()
      ? { kind: 'file', file }
      : { kind: 'missing' };
  }
  const require = createRequire(join(folder, 'config'));
  const [name, subpath] = splitSpecifier(specifier);
  for (const modules of require.resolve.paths(name) ?? []) {
    const home = join(modules, name);
    if (!existsSync(join(home, 'package.json'))) continue;
    const exports = exportsOf(join(home, 'package.json'));
    if (exports === undefined || exports === null) break;
    for (const format of FORMATS) {
      const target = findExport(exports, subpath, new Set([...conditions, 'node', format, 'default']));
      if (target !== undefined) return { kind: 'file', file: join(home, target) };
    }
    return { kind: 'no-entry', folder: home };
  }
  // Packages without `exports`, and package managers that replace `require.resolve`.
  try {
    return { kind: 'file', file: require.resolve(specifier) };
  } catch {
    const home = (require.resolve.paths(name) ?? []).map((modules) => join(modules, name)).find(existsSync);
    return home === undefined ? { kind: 'missing' } : { kind: 'no-entry', folder: home };
  }
}

/** The version of the package `name` that a file belongs to; undefined when its package.json is not found or has none. */
export function versionOf(file: string, name: string): string | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: unknown;
        version?: unknown;
      } | null;
      if (manifest?.name === name) return typeof manifest.version === 'string' ? manifest.version : undefined;
    } catch {
      // None here, or one that says nothing: the next folder up.
    }
  }
  return undefined;
}

/** A package.json that cannot be read has none: `require.resolve` then says what node thinks of it. */
function exportsOf(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { exports?: unknown } | null)?.exports;
  } catch {
    return undefined;
  }
}

/** Undefined for a file URL that names no file of this machine. */
function localFile(specifier: string, folder: string): string | undefined {
  if (!specifier.startsWith('file:')) return resolve(folder, specifier);
  try {
    return fileURLToPath(specifier);
  } catch {
    return undefined;
  }
}

/** `exports` of a package.json: https://nodejs.org/api/packages.html#exports, with at most one `*` in a subpath. */
function findExport(exports: unknown, subpath: string, conditions: ReadonlySet<string>): string | undefined {
  const map = exports as Readonly<Record<string, unknown>>;
  const isMap = typeof exports === 'object' && !Array.isArray(exports);
  if (!isMap || !Object.keys(map).some((key) => key.startsWith('.')))
    return subpath === '.' ? findTarget(exports, '', conditions) : undefined;
  if (Object.hasOwn(map, subpath)) return findTarget(map[subpath], '', conditions);
  const patterns = Object.keys(map).filter((key) => key.includes('*'));
  for (const pattern of patterns.sort((a, b) => b.indexOf('*') - a.indexOf('*'))) {
    const [start = '', end = ''] = pattern.split('*');
    if (!subpath.startsWith(start) || !subpath.endsWith(end) || subpath.length < pattern.length) continue;
    const star = subpath.slice(start.length, subpath.length - end.length);
    return findTarget(map[pattern], star, conditions);
  }
  return undefined;
}

function findTarget(target: unknown, star: string, conditions: ReadonlySet<string>): string | undefined {
  if (typeof target === 'string') return target.startsWith('./') ? target.replaceAll('*', star) : undefined;
  if (typeof target !== 'object' || target === null) return undefined;
  const choices = Array.isArray(target)
    ? target
    : Object.entries(target).flatMap(([key, value]) => (conditions.has(key) ? [value] : []));
  for (const choice of choices) {
    const found = findTarget(choice, star, conditions);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The folder that stands for a place given as a folder, a file, or a file URL. */
export function folderOf(place: string): string {
  const path = resolve(place.startsWith('file:') ? fileURLToPath(place) : place);
  return existsSync(path) && statSync(path).isDirectory() ? path : dirname(path);
}
