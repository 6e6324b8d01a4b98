import { library } from '../../tsup.base.ts';

// With splitting, tsup would turn the `import()` of modules into `require()` in the CommonJS build.
export default { ...library(['src/index.ts']), splitting: false };
