// Type checking of the whole repository in one run, by TypeScript 7.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './workspaces.mjs';

const home = join(root, 'node_modules', 'typescript7');
const { bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
/** The compiler's program. */
export const tsc = join(home, bin.tsc);

if (process.argv[1] === import.meta.filename) {
  const args = [tsc, '-p', root, ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1);
}
