import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Block, root } from './blocks.js';

type Taker = readonly [test: string, by: string];

const READ_CONSOLE: Taker = ['tests/stores/src/example.ts', '/```console\\n(.*?)```/s.exec(text)'];
/** A console that the test of an example does to its running servers. */
const exampleOf = (store: string): Readonly<Record<string, readonly Taker[]>> => ({
  console: [[`examples/${store}/server.test.ts`, 'await replayed(folder, ['], READ_CONSOLE],
});
const queried = (store: string): readonly Taker[] => [
  [`examples/${store}/server.test.ts`, '/```sql\\n(.*?)```/s.exec(readme)'],
];
const MOVE = 'packages/express-session/test/readme.test.ts';

/** Blocks that the test beside their document takes out of it and runs: by document and language the tests, and what they take them by. */
const TAKEN: Readonly<Record<string, Readonly<Record<string, readonly Taker[]>>>> = {
  'packages/express-session/README.md': {
    diff: [[MOVE, '/```diff\\n([\\s\\S]*?)```/.exec(text)']],
    js: [[MOVE, '/```js\\n([\\s\\S]*?)```/.exec(text)']],
    console: [[MOVE, '/```console\\n([\\s\\S]*?)```/.exec(text)']],
  },
  'packages/router-proxy/README.md': {
    // Not taken out of the document: it stands there word for word.
    text: [['packages/router-proxy/test/event-stream.test.ts', 'event: end\\ndata: {"cause":"killed"}']],
  },
  'examples/memory/README.md': exampleOf('memory'),
  'examples/redis/README.md': exampleOf('redis'),
  'examples/couchbase/README.md': exampleOf('couchbase'),
  'examples/postgres/README.md': { ...exampleOf('postgres'), sql: queried('postgres') },
  'examples/mysql/README.md': { ...exampleOf('mysql'), sql: queried('mysql') },
  'examples/memcache/README.md': {
    ...exampleOf('memcache'),
    sh: [['examples/memcache/server.test.ts', "/printf '(get \\S+) /.exec(readme)"]],
  },
  'examples/operate/README.md': {
    sh: [['examples/operate/run.test.ts', '/^(\\w+_URL)=\\S+ node (run\\.mjs)$/gm']],
    text: [['examples/operate/run.test.ts', '/```text\\n(.*?)```/s.exec(readme)']],
  },
};

/** Whether the test beside the document runs a block: it is looked up there that it takes it. */
export function runsElsewhere({ place, language, text }: Block): boolean {
  const [path = ''] = place.split(':');
  const takers = TAKEN[path]?.[language];
  if (takers === undefined || text.startsWith('npm install')) return false;
  for (const [test, by] of takers)
    if (!readFileSync(join(root, test), 'utf8').includes(by))
      throw new Error(`${place}: ${test} does not take this block`);
  return true;
}
