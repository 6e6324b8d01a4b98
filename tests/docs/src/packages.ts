import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './blocks.js';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly [dependencies: string]: unknown;
}

const manifest = (folder: string) =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
const manifests = ['packages', 'apps', 'examples', 'tests'].flatMap((group) =>
  readdirSync(join(root, group), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(group, name))
    .map((folder): Manifest & { readonly folder: string } => ({ ...manifest(folder), folder })),
);
/** What we publish, each with its folder. */
export const published: readonly { readonly name: string; readonly folder: string }[] = manifests.filter(
  (each) => each.private !== true,
);
/** What can be installed: what we publish, and what something here is installed with. */
const installable = new Set([
  ...published.map(({ name }) => name),
  ...manifests.flatMap((each) =>
    ['dependencies', 'devDependencies', 'peerDependencies'].flatMap((kind) =>
      Object.keys((each[kind] as object | undefined) ?? {}),
    ),
  ),
]);
const { scripts = {} } = manifest('.');

/** Puts all packages into a folder, as an install does, and the third party's backend of the guide. */
export function installAll(folder: string): void {
  const acme = { name: 'acme-folder', folder: join('tests', 'packages', 'acme') };
  for (const each of [...published, acme]) {
    const place = join(folder, 'node_modules', each.name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(root, each.folder), place);
  }
}

/** Of an npm command what is wrong with it, undefined when nothing is; '' when it is none. */
export function installs(command: string): string | undefined {
  const [npm, verb = '', ...rest] = command.split(/\s+/);
  if (npm !== 'npm' && npm !== 'pnpm') return '';
  if (verb === 'install') {
    const unknown = rest.filter(
      (name) => !name.startsWith('-') && (!installable.has(name) || builtinModules.includes(name)),
    );
    return unknown.length === 0 ? undefined : `${command}: there is no package ${unknown.join(', ')}`;
  }
  const script = verb === 'run' ? (rest[0] ?? '') : verb;
  return Object.hasOwn(scripts, script) ? undefined : `${command}: package.json has no script ${script}`;
}
