import { expect, test } from 'vitest';
import { blocksOf } from '../src/blocks.js';
import { runDocument } from '../src/document.js';

type Fenced = readonly [language: string, text: string];

const fenced = (blocks: readonly Fenced[]) =>
  blocks.map(([language, text]) => `\`\`\`${language}\n${text}\n\`\`\`\n`).join('\n');
const run = (...blocks: readonly Fenced[]) => runDocument('x.md', {}, fenced(blocks));

test('a document that tells the truth is run whole', async () => {
  const server = `// server.mjs
import { createServer } from 'node:http';
createServer((_, response) => response.end('hello, 8080\\n')).listen(8080, () => console.log('http://127.0.0.1:8080'));`;
  const talk = `$ node server.mjs &
http://127.0.0.1:8080
$ name=world; curl http://127.0.0.1:8080
hello, …
$ echo $name
world`;
  expect(
    await run(
      ['js', server],
      ['console', talk],
      ['js', 'console.log(6 * 7);'],
      ['text', '42'],
      ['sh', 'npm install @sessionkit/session-core express # both\nnpm test'],
      ['yaml', 'services:\n  shop: { session: false }'],
      ['json', '{}'],
      ['python', 'print(1)'],
    ),
  ).toBe(8);
}, 60_000);

test.each<readonly [string, RegExp, readonly Fenced[]]>([
  [
    'a program that prints something else',
    /x\.md:1: .*printed\n42/,
    [
      ['js', 'console.log(42);'],
      ['text', '43'],
    ],
  ],
  ['a program that fails', /ended with 1/, [['js', 'throw new Error();']]],
  ['a command that prints something else', /printed\nb/, [['console', '$ echo a\na\n$ echo b\nc']]],
  ['a command that prints more', /and not\na/, [['console', '$ printf "a\\nb\\n"\na']]],
  ['a server that dies', /ended before/, [['console', '$ node gone.mjs &\nlistening']]],
  ['a package that there is not', /no package @sessionkit\/none/, [['sh', 'npm install @sessionkit/none']]],
  ['a script that there is not', /no script nothing/, [['sh', 'npm run nothing']]],
  ['a command that nobody runs', /nobody runs: rm -rf \./, [['sh', 'rm -rf .']]],
  ['a key that no configuration has', /sesion/, [['yaml', 'sesion: {}\nservices: { shop: {} }']]],
  ['a document that is no JSON', /JSON/, [['json', '{']]],
  ['Python that cannot be read', /SyntaxError/, [['python', 'def']]],
  ['a language that nobody runs', /nobody runs a block of "cobol"/, [['cobol', 'STOP RUN.']]],
  ['a text that belongs to nothing', /nobody runs a block of "text"/, [['text', '42']]],
])(
  '%s is caught',
  async (_, complaint, blocks) => {
    await expect(run(...blocks)).rejects.toThrow(complaint);
  },
  60_000,
);

test('a block without an end is caught', () => {
  expect(() => blocksOf('x.md', 'a\n```js\nb\n')).toThrow('x.md:2: this code block has no end');
});
