import { readFile, writeFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';
import { defineConfig, type Options } from 'tsup';
import { emitTypes } from './scripts/types.mjs';

interface SourceMap {
  readonly sources: readonly string[];
  readonly sourcesContent?: readonly (string | null)[] | undefined;
  readonly mappings: string;
  readonly file?: string | undefined;
}

/** Takes the sources that are named by their place on this machine, or are not of the package, out of a map, and what points to them: nobody else has these files. */
function withoutOwnPlaces({ file, ...map }: SourceMap): SourceMap {
  const kept = map.sources.flatMap((source, at) =>
    isAbsolute(source) || source.includes('/node_modules/') ? [] : [at],
  );
  const moved = (segment: SourceMapSegment): SourceMapSegment => {
    const at = segment.length === 1 ? -1 : kept.indexOf(segment[1]);
    if (segment.length === 1 || at < 0) return [segment[0]];
    return segment.length === 4
      ? [segment[0], at, segment[2], segment[3]]
      : [segment[0], at, segment[2], segment[3], segment[4]];
  };
  return {
    ...map,
    sources: kept.map((at) => map.sources[at] ?? ''),
    ...(map.sourcesContent && { sourcesContent: kept.map((at) => map.sourcesContent?.[at] ?? null) }),
    mappings: encode(decode(map.mappings).map((line) => line.map(moved))),
  };
}

/** tsup splits CommonJS in a second step, whose maps name the output of the first one. */
const placeless: NonNullable<Options['plugins']>[number] = {
  name: 'maps without places of this machine',
  async buildEnd({ writtenFiles }) {
    for (const { name } of writtenFiles.filter((file) => file.name.endsWith('.cjs.map'))) {
      const map = JSON.parse(await readFile(name, 'utf8')) as SourceMap;
      await writeFile(name, JSON.stringify(withoutOwnPlaces(map)));
    }
  },
};

const common: Options = {
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  splitting: true,
  plugins: [placeless],
};

/**
 * ESM and CommonJS, with types for each. `splitting: false` for CommonJS where the second step breaks a class: it knows private members in part only.
 */
export const library = (entry: string[], options: Pick<Options, 'shims' | 'splitting'> = {}) =>
  defineConfig({
    ...common,
    entry,
    format: ['esm', 'cjs'],
    onSuccess: () => emitTypes(process.cwd()),
    ...options,
  });

/** A program: ESM, no types. */
export const app = (entry: string[]) => defineConfig({ ...common, entry, format: ['esm'] });
