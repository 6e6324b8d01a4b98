// A package that is broken on purpose, one way each: what this project checks is seen to fail.
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultsOf } from './contents.js';
import { load, specifiersOf } from './loading.js';
import { check, RESOLUTIONS, type Resolution } from './typing.js';
import { readManifest } from './world.js';

export const CHECKS = ['loading', 'types', 'contents'] as const;

/** What is broken, and which of the checks has to say so. */
export interface Mutant {
  readonly name: string;
  /** Which package is broken; without it the smallest. */
  readonly of?: string | undefined;
  readonly caughtBy: (typeof CHECKS)[number];
  /** The resolution under which its types are checked; without it all are. */
  readonly under?: Resolution | undefined;
  breaks(folder: string): void;
}

const edit = (path: string, change: (text: string) => string) => {
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  if (after === before) throw new Error(`nothing to change in ${path}`);
  writeFileSync(path, after);
};
const manifest = (folder: string, change: (text: string) => string) =>
  edit(join(folder, 'package.json'), change);
const drop = (folder: string, file: string) => rmSync(join(folder, file));

export const mutants: readonly Mutant[] = [
  {
    name: 'no file for require',
    caughtBy: 'loading',
    breaks: (folder) => drop(folder, 'dist/index.cjs'),
  },
  {
    name: 'no condition for require',
    caughtBy: 'loading',
    breaks: (folder) =>
      manifest(folder, (text) => {
        const all = JSON.parse(text);
        delete all.exports['./module'].require;
        return JSON.stringify(all);
      }),
  },
  {
    name: 'a name that only one of both systems has',
    caughtBy: 'loading',
    breaks: (folder) =>
      edit(join(folder, 'dist/index.cjs'), (text) => `${text}\nmodule.exports.extra = 1;\n`),
  },
  {
    name: 'no types for require',
    caughtBy: 'types',
    under: 'node16, require',
    breaks: (folder) => {
      drop(folder, 'dist/module.d.cts');
      manifest(folder, (text) => text.replace('"types": "./dist/module.d.cts",', ''));
    },
  },
  {
    name: 'another type for require than for import, of one member of the framework',
    of: '@sessionkit/http-fastify',
    caughtBy: 'types',
    under: 'node16, both',
    breaks: (folder) =>
      edit(join(folder, 'dist/plugin.d.cts'), (text) =>
        text.replace(/\bsession: Session;/, 'session: Session & { readonly other: true };'),
      ),
  },
  {
    name: 'a name that the types do not know',
    caughtBy: 'types',
    under: 'bundler, import',
    breaks: (folder) => {
      for (const file of ['dist/index.js', 'dist/index.cjs'])
        edit(join(folder, file), (text) =>
          file.endsWith('.cjs')
            ? `${text}\nmodule.exports.extra = 1;\n`
            : `${text}\nexport const extra = 1;\n`,
        );
    },
  },
  {
    name: 'types that import what is not there',
    caughtBy: 'types',
    under: 'node16, import',
    breaks: (folder) =>
      edit(join(folder, 'dist/index.d.ts'), (text) => text.replace('session-core', 'session-cores')),
  },
  {
    name: 'a file less than the manifest names',
    caughtBy: 'contents',
    breaks: (folder) => drop(folder, 'dist/index.d.ts'),
  },
  {
    name: 'a test in the tarball',
    caughtBy: 'contents',
    breaks: (folder) => writeFileSync(join(folder, 'src', 'index.test.ts'), ''),
  },
  {
    name: 'a source map without its source',
    caughtBy: 'contents',
    breaks: (folder) => drop(folder, 'src/rules.ts'),
  },
  {
    name: 'another source than the map was made of',
    caughtBy: 'contents',
    breaks: (folder) => edit(join(folder, 'src', 'rules.ts'), (text) => `${text}// new\n`),
  },
  {
    name: 'a range of the workspace',
    caughtBy: 'contents',
    breaks: (folder) => manifest(folder, (text) => text.replace(/"\^\d+\.\d+\.\d+"/, '"workspace:^"')),
  },
];

/** What one of the checks says of a package under `node_modules` of a project. */
export async function judge(
  project: string,
  name: string,
  { caughtBy: by, under }: Pick<Mutant, 'caughtBy' | 'under'>,
): Promise<string[]> {
  const folder = join(project, 'node_modules', name);
  if (by === 'contents') return faultsOf(folder);
  const specifiers = specifiersOf(readManifest(folder));
  const imported = await load(process.execPath, project, 'import', specifiers);
  if (by === 'loading') {
    const required = await load(process.execPath, project, 'require', specifiers);
    return specifiers.flatMap((specifier) => {
      const both = [imported.get(specifier), required.get(specifier)];
      const errors = both.flatMap((each) => each?.error ?? []);
      const same = JSON.stringify(both[0]) === JSON.stringify(both[1]);
      return [...errors, ...(same ? [] : [`${specifier} differs`])];
    });
  }
  const resolutions = under === undefined ? (Object.keys(RESOLUTIONS) as Resolution[]) : [under];
  const told = await Promise.all(resolutions.map((each) => check(project, each, imported)));
  return told.flatMap((each) => [...each.values()]).filter((text) => text !== '');
}

/** A project in which one package is a copy that a mutant has broken. */
export function broken(app: string, project: string, name: string, mutant: Mutant | undefined): void {
  const home = join(project, 'node_modules', name);
  mkdirSync(join(home, '..'), { recursive: true });
  cpSync(join(app, 'node_modules', name), home, { recursive: true });
  const { dependencies, peerDependencies } = readManifest(home);
  for (const other of Object.keys({ ...dependencies, ...peerDependencies })) {
    const link = join(project, 'node_modules', other);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(join(app, 'node_modules', other), link, 'junction');
  }
  writeFileSync(join(project, 'package.json'), '{ "name": "mutant", "private": true }');
  mutant?.breaks(home);
}
