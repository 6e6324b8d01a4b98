import { library } from '../../tsup.base.ts';

// CommonJS has no `import.meta.url`, by which the SDK is found for a thread.
export default library(['src/index.ts', 'src/module.ts', 'src/resource.ts'], {
  shims: true,
  splitting: false,
});
