import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

// What a user gets: every entry point of every package loads in a plain Node process under both module systems,
// with the same names.

const here = dirname(import.meta.dirname);
const repository = join(here, '..', '..');

interface Manifest {
  name: string;
  private?: boolean;
  exports: Record<string, unknown>;
}

const packages = ['packages', 'apps'].flatMap((group) =>
  readdirSync(join(repository, group))
    .map((name) => join(repository, group, name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({
      folder,
      manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest,
    })),
);

const print = (folder: string, args: string[]) =>
  execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', env: {} }).trim();

describe.each(packages.filter(({ manifest }) => manifest.private !== true))(
  '$manifest.name',
  ({ folder, manifest }) => {
    const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json');

    it.each([...entries, './package.json'])(
      '%s loads as a module and by require, with the same names',
      (entry) => {
        const specifier = JSON.stringify(join(manifest.name, entry));
        if (entry === './package.json') {
          expect(print(folder, ['-p', `require(${specifier}).name`])).toBe(manifest.name);
          return;
        }
        const names =
          'console.log(Object.keys(all).filter((n) => n !== "default" && n !== "module.exports").sort().join())';
        const asModule = print(folder, [
          '--input-type=module',
          '-e',
          `import * as all from ${specifier}; ${names}`,
        ]);
        const asCommon = print(folder, [
          '--input-type=commonjs',
          '-e',
          `const all = require(${specifier}); ${names}`,
        ]);
        expect(asModule).toBe(asCommon);
      },
    );
  },
);
