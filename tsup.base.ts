import { defineConfig, type Options } from 'tsup';

const common: Options = {
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  splitting: true,
};

// A package's types come from its neighbours' dist, as a user's do; the source condition is for editors and tests.
const dts = { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [], composite: false } };

/** ESM and CommonJS, with types for each. */
export const library = (entry: string[]) => defineConfig({ ...common, entry, format: ['esm', 'cjs'], dts });

/** A program: ESM, no types. */
export const app = (entry: string[]) => defineConfig({ ...common, entry, format: ['esm'] });
