// The READMEs beside the script that looks at what they state, in a copy in which some of them are false.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Done, repository, run } from './world.js';

/** Each is false in one way; a number is never changed into one that is near. */
export const FALSE: Readonly<Record<string, (readme: string) => string>> = {
  'transport-token': (readme) => readme.replace(/Size: (\d+)/, 'Size: 1$1'),
  'http-node': (readme) =>
    readme.replace(/; (no dependency\.|.* with them\.)/, '; 77 dependencies, 1 kB with them.'),
  'http-fetch': (readme) => readme.replace(/^Size: .*$/m, ''),
};

/** What `sizes.mjs` says of a copy in `folder` of all READMEs, measured on what `consumer.mjs` has made in `consumer`. */
export async function judgeSizes(
  folder: string,
  consumer: string,
  changes: Readonly<Record<string, (readme: string) => string>>,
): Promise<Done> {
  cpSync(join(repository, 'scripts'), join(folder, 'scripts'), { recursive: true });
  for (const group of ['packages', 'apps']) {
    for (const name of readdirSync(join(repository, group))) {
      const from = join(repository, group, name);
      if (!existsSync(join(from, 'package.json'))) continue;
      mkdirSync(join(folder, group, name), { recursive: true });
      cpSync(join(from, 'package.json'), join(folder, group, name, 'package.json'));
      const readme = readFileSync(join(from, 'README.md'), 'utf8');
      writeFileSync(join(folder, group, name, 'README.md'), changes[name]?.(readme) ?? readme);
    }
  }
  return run(process.execPath, [join(folder, 'scripts', 'sizes.mjs'), '--consumer', consumer], {
    cwd: folder,
  });
}
