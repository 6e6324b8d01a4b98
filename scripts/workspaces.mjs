// The packages of the monorepo, read from disk: nothing here has to be edited when one is added.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** `{ folder: 'packages/x', group: 'packages', short: 'x', name, manifest }`, in a stable order. */
export function workspaces() {
  return ['packages', 'apps', 'examples', 'tests']
    .filter((group) => existsSync(join(root, group)))
    .flatMap((group) =>
      readdirSync(join(root, group))
        .sort()
        .filter((short) => existsSync(join(root, group, short, 'package.json')))
        .map((short) => {
          const folder = `${group}/${short}`;
          const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
          return { folder, group, short, name: manifest.name, manifest };
        }),
    );
}

export const publishable = () => workspaces().filter((w) => !w.manifest.private);
