import { defineConfig, type Options } from 'tsup';

// What entry points share is a file of its own for ESM only, which is the default: for CommonJS tsup would do it by another compiler, which names places of
// this machine in its source maps and breaks private members.
const common: Options = {
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
};

// A package's types come from its neighbours' dist, as a user's do; the source condition is for editors and tests.
const dts = { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [], composite: false } };

/** ESM and CommonJS, with types for each. */
export const library = (entry: string[], more: Options = {}) =>
  defineConfig({ ...common, ...more, entry, format: ['esm', 'cjs'], dts });

/** A program: ESM, no types. */
export const app = (entry: string[]) => defineConfig({ ...common, entry, format: ['esm'] });
