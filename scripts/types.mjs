// The declarations of one package: one per source file by TypeScript 7, once more as .d.cts for CommonJS. That of all
// packages takes seconds; bundling them by TypeScript 6 took two thirds of the build.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tsc } from './typecheck.mjs';
import { root } from './workspaces.mjs';

/** A relative specifier at the end of a declaration: `from './x.js'`, `import('./x.js')`, `import './x.js'`. */
const RELATIVE = /((?:\bfrom |\bimport |\bimport\()["']\.{1,2}\/[^"']*)\.js(?=["'])/g;

/** @param {string} home the package's folder, its `dist` made before */
export async function emitTypes(home) {
  const dist = join(home, 'dist');
  const temporary = await mkdtemp(join(tmpdir(), 'sessionkit-types-'));
  try {
    const config = {
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: join(home, 'src'),
        outDir: dist,
        // A package's types come from its neighbours' dist, as a user's do; the source condition is for editors and tests.
        customConditions: [],
        typeRoots: [join(root, 'node_modules', '@types')],
      },
      include: [join(home, 'src')],
    };
    await writeFile(join(temporary, 'tsconfig.json'), JSON.stringify(config));
    await promisify(execFile)(process.execPath, [tsc, '-p', temporary]).catch((error) => {
      throw new Error(`no declarations for ${home}:\n${error.stdout ?? error.message}`);
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue;
    const text = await readFile(join(dist, name), 'utf8');
    await writeFile(join(dist, name.replace(/ts$/, 'cts')), text.replace(RELATIVE, '$1.cjs'));
  }
}
