// Checks small programs that use installed packages with the TypeScript compiler, under the module resolutions that users have.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Loaded } from './loading.js';
import { repository, run } from './world.js';

const compiler = join(repository, 'node_modules', 'typescript7', 'bin', 'tsc');

/** How a program is written and resolved. node16 has two sides; a program that has both sees each package twice. */
export const RESOLUTIONS = {
  'node16, import': { module: 'node16', moduleResolution: 'node16', suffixes: ['mts'] },
  'node16, require': { module: 'node16', moduleResolution: 'node16', suffixes: ['cts'] },
  'node16, both': { module: 'node16', moduleResolution: 'node16', suffixes: ['mts', 'cts'] },
  'bundler, import': { module: 'esnext', moduleResolution: 'bundler', suffixes: ['ts'] },
} as const;
export type Resolution = keyof typeof RESOLUTIONS;

/** A program that takes every name which the entry point really has; one that the types do not know is an error. */
function programOf(specifier: string, { names = [], default: fallback }: Loaded, suffix: string) {
  const members = [...names, ...(fallback === undefined ? [] : ['default'])];
  const head =
    suffix === 'cts' ? `import all = require('${specifier}');` : `import * as all from '${specifier}';`;
  // Types that are missing would make everything `any`.
  const strict =
    'type IsAny<T> = 0 extends 1 & T ? true : false;\nexport const known: IsAny<typeof all> = false;';
  return `${head}\n${strict}\nexport const used = [${members.map((name) => `all.${name}`).join(', ')}];\n`;
}

const fileOf = (specifier: string, suffix: string) => `${specifier.replace(/[@/]+/g, '-')}.${suffix}`;

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** What the compiler says of each entry point; an empty text when it has nothing to say. */
export async function check(
  folder: string,
  resolution: Resolution,
  entries: ReadonlyMap<string, Loaded>,
): Promise<ReadonlyMap<string, string>> {
  const { module, moduleResolution, suffixes } = RESOLUTIONS[resolution];
  const home = join(folder, resolution.replace(', ', '-'));
  mkdirSync(home, { recursive: true });
  const files: string[] = [];
  const write = (file: string, text: string) => {
    files.push(file);
    writeFileSync(join(home, file), text);
  };
  for (const [specifier, loaded] of entries)
    for (const suffix of suffixes) write(fileOf(specifier, suffix), programOf(specifier, loaded, suffix));
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023'],
    module,
    moduleResolution,
    types: ['node'],
    typeRoots: [join(repository, 'node_modules', '@types')],
    strict: true,
    noEmit: true,
    // Ours have to be sound, too; what another's declarations say among themselves is not looked at.
    skipLibCheck: false,
  };
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const { code, stdout, stderr } = await run(process.execPath, [compiler, '-p', home, '--pretty', 'false'], {
    cwd: home,
  });
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
  const told = new Map<string, string>();
  for (const specifier of entries.keys()) {
    const names = suffixes.map((suffix) => `${fileOf(specifier, suffix)}(`);
    const own = `/node_modules/${packageOf(specifier)}/`;
    const about = (line: string) =>
      names.some((name) => line.startsWith(name)) || (line.split('(')[0] ?? '').includes(own);
    told.set(specifier, lines.filter(about).join('\n'));
  }
  const compiled = lines.every((line) => /: error TS\d+: |^\s/.test(line));
  if (code !== 0 && !compiled) throw new Error(`the compiler failed (${code}):\n${lines.join('\n')}`);
  return told;
}
