// What `npm start` runs after the build: the thin app on its embedded default.
import { join } from 'node:path';
import { runChild } from './child.mjs';
import { root } from './workspaces.mjs';

const bin = join(root, 'apps', 'sessionkit', 'bin', 'sessionkit.mjs');
process.exitCode = await runChild(process.execPath, [bin, ...process.argv.slice(2)]);
