import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Block, root } from './blocks.js';
import { installAll } from './packages.js';
import { OWN, TYPES } from './surroundings/types.js';

const home = join(import.meta.dirname, '..');
const OPTIONS = {
  extends: '../../../tsconfig.base.json',
  // A reader's project has looser rules about what may be undefined than this one.
  compilerOptions: { types: ['node'], noUncheckedIndexedAccess: false, isolatedModules: false },
};

/**
 * Checks the types of all blocks of TypeScript among these, in one run of the compiler.
 *
 * @returns Complaints by the place of the block, with lines of its document; nothing of a block that is sound.
 */
export function complaintsOf(all: readonly Block[]): ReadonlyMap<string, string> {
  const blocks = all.filter(({ language }) => language === 'ts');
  if (blocks.length === 0) return new Map();
  const folder = mkdtempSync(join(home, '.document-'));
  try {
    installAll(folder);
    mkdirSync(join(folder, 'src'));
    mkdirSync(join(folder, 'test'));
    writeFileSync(join(folder, 'src', 'index.ts'), OWN);
    const files = blocks.map((block, at) => ({ block, at, head: headOf(block) }));
    for (const { block, at, head } of files)
      writeFileSync(join(folder, 'test', `${at}.ts`), `${head}\n${block.text}export {};\n`);
    // A folder whose name begins with a dot is none that the compiler looks into by itself.
    const project = { ...OPTIONS, files: ['src/index.ts', ...files.map(({ at }) => `test/${at}.ts`)] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    const compiler = join(root, 'node_modules', 'typescript7', 'bin', 'tsc');
    const { stdout, status } = spawnSync(process.execPath, [compiler, '--pretty', 'false', '-p', folder], {
      cwd: folder,
      encoding: 'utf8',
    });
    const complaints = new Map<string, string>();
    for (const { block, at, head } of files) {
      const found = stdout.matchAll(new RegExp(`^test/${at}\\.ts\\((\\d+),\\d+\\): error (.*)$`, 'gm'));
      const line = Number(block.place.split(':')[1]) - head.split('\n').length;
      const told = [...found].map(([, where, what]) => `line ${line + Number(where)}: ${what}`);
      if (told.length > 0) complaints.set(block.place, told.join('\n'));
    }
    if (status !== 0 && complaints.size === 0)
      throw new Error(`the compiler ended with ${status}:\n${stdout}`);
    return complaints;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the document leaves to the rest of the file. */
function headOf({ place, text }: Block): string {
  const [path = ''] = place.split(':');
  const [, head = ''] = Object.entries(TYPES[path] ?? {}).find(([part]) => text.includes(part)) ?? [];
  return head.trim();
}
