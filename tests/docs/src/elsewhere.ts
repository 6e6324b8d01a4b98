import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Block, root } from './blocks.js';

/** Blocks that the test beside their document takes out of it and runs: by document and language the test, and what it takes them by. */
const TAKEN: Readonly<Record<string, Readonly<Record<string, readonly [test: string, by: string]>>>> = {
  'packages/express-session/README.md': {
    diff: ['packages/express-session/test/readme.test.ts', '/```diff\\n([\\s\\S]*?)```/.exec(text)'],
    js: ['packages/express-session/test/readme.test.ts', '/```js\\n([\\s\\S]*?)```/.exec(text)'],
    console: ['packages/express-session/test/readme.test.ts', '/```console\\n([\\s\\S]*?)```/.exec(text)'],
  },
  'packages/router-proxy/README.md': {
    // Not taken out of the document: it stands there word for word.
    text: ['packages/router-proxy/test/event-stream.test.ts', 'event: end\\ndata: {"cause":"killed"}'],
  },
  'examples/memcache/README.md': {
    sh: ['examples/memcache/server.test.ts', "/printf '(get \\S+) /.exec(readme)"],
  },
};

/**
 * Documents that the runner does not run yet: fragments of TypeScript, drawings, and consoles that need somebody to be logged in.
 * Their programs are run by the tests beside them, the rest of their blocks by nobody.
 */
export const NOT_YET: readonly string[] = [
  'ARCHITECTURE.md',
  'apps/admin-api/README.md',
  'apps/sessionkit/README.md',
  'examples/operate/README.md',
  'examples/upstream/README.md',
  'packages/http-fetch/README.md',
  'packages/testkit/README.md',
  'tests/couchbase-double/README.md',
  'tests/watch/README.md',
];

/** Whether the test beside the document runs a block: it is looked up there that it takes it. */
export function runsElsewhere({ place, language, text }: Block): boolean {
  const [path = ''] = place.split(':');
  const [test, by] = TAKEN[path]?.[language] ?? [];
  if (test === undefined || by === undefined || text.startsWith('npm install')) return false;
  if (!readFileSync(join(root, test), 'utf8').includes(by))
    throw new Error(`${place}: ${test} does not take this block`);
  return true;
}
