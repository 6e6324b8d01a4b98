import { pathToFileURL } from 'node:url';
import { type AnyModule, CONTRACT_VERSION, type ModuleKind } from '@sessionkit/session-core';
import type { Problem } from './problem.js';
import { isLocal, resolveModule, splitSpecifier, versionOf } from './resolve.js';
import { closest } from './suggest.js';

/** The words after `type:` and `_class:` that mean a package of ours. */
export const KNOWN_TYPES: Readonly<Record<ModuleKind, readonly string[]>> = {
  transport: ['cookie', 'token', 'bearer'],
  backend: ['memory', 'redis', 'postgres', 'mysql', 'memcache', 'couchbase'],
  router: ['proxy'],
  filter: ['log', 'cache', 'limit'],
  resource: ['redis', 'postgres', 'mysql', 'memcache', 'couchbase'],
};

/** A module that a configuration uses, and where it comes from. */
export interface ModuleSource {
  readonly kind: ModuleKind;
  /** The word after `type:`. */
  readonly type: string;
  /** Name of its package, or its file. */
  readonly package: string;
  /** Of its package; undefined when there is none. */
  readonly version: string | undefined;
}

export type Loaded =
  | { readonly module: AnyModule; readonly problem?: undefined }
  | { readonly module?: undefined; readonly problem: Pick<Problem, 'code' | 'message' | 'fix'> };

/** What `import` is asked for: a word names our own package, a resource the one of the backend that uses it. */
export function specifierOf(kind: ModuleKind, type: string): string {
  if (/[./]/.test(type)) return type;
  return `@sessionkit/${kind === 'resource' ? 'backend' : kind}-${type}/${entryOf(kind)}`;
}

const entryOf = (kind: ModuleKind) => (kind === 'resource' ? 'resource' : 'module');

const failed = (message: string, fix: string, code: Problem['code'] = 'CONFIG_INVALID'): Loaded => ({
  problem: { code, message, fix },
});

/** Finds and imports modules, each file once. */
export class ModuleLoader {
  readonly #places: readonly string[];
  readonly #conditions: readonly string[];
  readonly #loaded = new Map<string, Promise<Loaded>>();
  readonly #sources: ModuleSource[] = [];

  /** @param places Folders to resolve from, the first one first. */
  constructor(places: readonly string[], conditions: readonly string[]) {
    this.#places = places;
    this.#conditions = conditions;
  }

  /** Where those come from that could be loaded, sorted. */
  get sources(): readonly ModuleSource[] {
    const key = ({ kind, type }: ModuleSource) => `${kind} ${type}`;
    return [...this.#sources].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  load(kind: ModuleKind, type: string): Promise<Loaded> {
    const key = `${kind} ${type}`;
    let loading = this.#loaded.get(key);
    if (loading === undefined) {
      loading = this.#load(kind, type);
      this.#loaded.set(key, loading);
    }
    return loading;
  }

  async #load(kind: ModuleKind, type: string): Promise<Loaded> {
    let specifier = specifierOf(kind, type);
    let found = this.#resolve(specifier);
    if (typeof found !== 'string' && specifier !== type && !KNOWN_TYPES[kind].includes(type)) {
      // No word of ours: it may be the name of another's package.
      const other = `${type}/${entryOf(kind)}`;
      const theirs = this.#resolve(other);
      if (typeof theirs === 'string') [specifier, found] = [other, theirs];
    }
    if (typeof found !== 'string') return missing(kind, type, specifier, found.folder);
    let imported: { readonly default?: unknown };
    try {
      imported = await import(/* @vite-ignore */ pathToFileURL(found).href);
    } catch (error) {
      return broken(specifier, error);
    }
    // CommonJS that was made from an ES module arrives wrapped once more.
    const inner = imported.default as
      | { readonly __esModule?: unknown; readonly default?: unknown }
      | undefined;
    const loaded = check(kind, specifier, inner?.__esModule ? inner.default : inner);
    if (loaded.problem === undefined) {
      const name = isLocal(specifier) ? specifier : splitSpecifier(specifier)[0];
      const version = isLocal(specifier) ? undefined : versionOf(found, name);
      this.#sources.push({ kind, type: loaded.module.type, package: name, version });
    }
    return loaded;
  }

  #resolve(specifier: string): string | { readonly folder: string | undefined } {
    let folder: string | undefined;
    // A local file is meant beside the configuration and nowhere else.
    const places = isLocal(specifier) ? this.#places.slice(0, 1) : this.#places;
    for (const place of places) {
      const found = resolveModule(specifier, place, this.#conditions);
      if (found.kind === 'file') return found.file;
      if (found.kind === 'no-entry') folder ??= found.folder;
    }
    return { folder };
  }
}

function missing(kind: ModuleKind, type: string, specifier: string, folder: string | undefined): Loaded {
  if (isLocal(specifier))
    return failed(`there is no file ${JSON.stringify(specifier)}`, 'paths begin at the folder of this file');
  const [name, subpath] = splitSpecifier(specifier);
  if (folder !== undefined)
    return failed(
      `${name} is installed but has no entry "${subpath}"`,
      `install a version of ${name} that has one`,
    );
  const known = KNOWN_TYPES[kind];
  if (specifier !== type && !known.includes(type)) {
    const near = closest(type, known);
    const list = `the ${kind}s are ${known.join(', ')}; another one is written as its package or file, such as acme-${kind} or ./my-${kind}.mjs`;
    return failed(
      `there is no ${kind} ${JSON.stringify(type)}`,
      near === undefined ? list : `did you mean ${JSON.stringify(near)}?`,
    );
  }
  return failed(`${name} is not installed`, `npm install ${name}`, 'MODULE_MISSING');
}

function broken(specifier: string, error: unknown): Loaded {
  // A module may throw anything, undefined as well.
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const [text = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    const wanted = /Cannot find (?:package|module) '([^']+)'/.exec(text)?.[1];
    if (wanted !== undefined && !isLocal(wanted)) {
      const [driver] = splitSpecifier(wanted);
      return failed(
        `${specifier} is installed, but its driver ${driver} is not`,
        `npm install ${driver}`,
        'MODULE_MISSING',
      );
    }
  }
  return failed(
    `${specifier} cannot be loaded: ${text}`,
    'correct the module, or install a version of it that loads',
  );
}

function check(kind: ModuleKind, specifier: string, value: unknown): Loaded {
  if (typeof value !== 'object' || value === null)
    return failed(
      `${specifier} is no SessionKit module: it has no default export`,
      'export default { contract, kind, type, config, create }',
    );
  const module = value as Readonly<Record<string, unknown>>;
  if (module.contract !== CONTRACT_VERSION)
    return failed(
      `${specifier} was built for contract version ${String(module.contract)}, this SessionKit has ${CONTRACT_VERSION}`,
      typeof module.contract === 'number' && module.contract > CONTRACT_VERSION
        ? 'install a newer SessionKit, or an older version of the module'
        : 'install a newer version of the module',
    );
  if (module.kind !== kind)
    return failed(`${specifier} is a ${String(module.kind)}, not a ${kind}`, `name a ${kind} here`);
  const standard = (module.config as { '~standard'?: { validate?: unknown } } | undefined)?.['~standard'];
  const lacks = [
    typeof module.type === 'string' && module.type !== '' ? [] : 'type',
    typeof standard?.validate === 'function' ? [] : 'config (a Standard Schema)',
    typeof module.create === 'function' ? [] : 'create()',
    kind === 'backend' && !Array.isArray(module.abilities) ? 'abilities' : [],
    kind === 'resource' && typeof module.close !== 'function' ? 'close()' : [],
  ].flat();
  if (lacks.length > 0)
    return failed(
      `${specifier} is no complete ${kind} module: it lacks ${lacks.join(', ')}`,
      'correct its default export',
    );
  return { module: value as AnyModule };
}
