// Watches this process from here on. The test runner's setup imports it; every Node.js program that a test starts gets it by
// NODE_OPTIONS. It does nothing unless `npm test` asked for reports, and nothing in tools that build and install.
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { watchBytes } from './bytes.mjs';
import { watchChildren } from './children.mjs';
import { watchSecrets } from './secrets.mjs';
import { captureFolder } from './sink.mjs';

const WATCHED = Symbol.for('sessionkit.watched');
const TOOLS = /^(?:npm|npx|pnpm|pnpx|turbo|tsup|tsc|biome|knip|vitest|corepack)(?:-cli)?(?:\.[cm]?js)?$/;

if (
  captureFolder() !== undefined &&
  !TOOLS.test(basename(process.argv[1] ?? '')) &&
  !(WATCHED in globalThis)
) {
  globalThis[WATCHED] = true;
  const notePassword = watchSecrets();
  watchBytes();
  watchChildren(notePassword);
  syncBuiltinESMExports();
}
