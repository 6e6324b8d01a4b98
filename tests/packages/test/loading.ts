// Loads entry points of installed packages in plain Node processes, under both module systems.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, must } from './world.js';

export const SYSTEMS = ['import', 'require'] as const;
export type System = (typeof SYSTEMS)[number];

/** What an entry point gave: its names, and the contract version of its default export where it has one. */
export interface Loaded {
  readonly names?: readonly string[] | undefined;
  readonly default?: string | undefined;
  /** Why it could not be loaded. */
  readonly error?: string | undefined;
}

/** What is written after `import … from`, for all that a user can import from a package. */
export function specifiersOf({ name, exports }: Manifest): string[] {
  return Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => name + entry.slice(1));
}

/** The interplay of both systems gives these names, not the package. */
const describeLoaded = `
const skipped = new Set(['default', 'module.exports', '__esModule']);
const describe = (loaded, fallback) => ({
  names: Object.keys(loaded).filter((name) => !skipped.has(name)).sort(),
  default: fallback && fallback.kind + ' ' + fallback.type + ' ' + fallback.contract + ' ' + typeof fallback.create,
});
const entries = process.argv.slice(2);
const found = {};
`;

const programs: Record<System, { readonly file: string; readonly text: string }> = {
  import: {
    file: 'load.mjs',
    text: `${describeLoaded}
for (const entry of entries) {
  try {
    const loaded = await import(entry);
    found[entry] = describe(loaded, loaded.default);
  } catch (error) { found[entry] = { error: String(error) }; }
}
console.log(JSON.stringify(found));
`,
  },
  require: {
    file: 'load.cjs',
    text: `${describeLoaded}
for (const entry of entries) {
  try {
    const loaded = require(entry);
    found[entry] = describe(loaded, loaded.default);
  } catch (error) { found[entry] = { error: String(error) }; }
}
console.log(JSON.stringify(found));
`,
  },
};

/** Loads all of them in one process of `node`, which has to end by itself: loading leaves nothing running. */
export async function load(
  node: string,
  folder: string,
  system: System,
  specifiers: readonly string[],
): Promise<ReadonlyMap<string, Loaded>> {
  const { file, text } = programs[system];
  writeFileSync(join(folder, file), text);
  const printed = await must(node, [file, ...specifiers], { cwd: folder, env: {} });
  return new Map(Object.entries(JSON.parse(printed) as Record<string, Loaded>));
}
