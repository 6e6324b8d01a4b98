import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf, root } from '../src/blocks.js';
import { runDocument } from '../src/document.js';
import { checkDrawing, checkMembers, isPrinted } from '../src/samples.js';
import { fits } from '../src/shell.js';
import { complaintsOf } from '../src/types.js';

type Fenced = readonly [language: string, text: string];

const fenced = (blocks: readonly Fenced[]) =>
  blocks.map(([language, text]) => `\`\`\`${language}\n${text}\n\`\`\`\n`).join('\n');
const run = (...blocks: readonly Fenced[]) => runDocument('x.md', {}, fenced(blocks));
const CLOCK = "import { TestClock } from '@sessionkit/testkit';\nconst now: number = new TestClock().now();";

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
      ['python', 'print(1)'],
    ),
  ).toBe(7);
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
  [
    'an option that no module has',
    /max_sesions/,
    [['yaml', 'session: { backend: { type: memory, max_sesions: 1 } }']],
  ],
  ['JSON that nobody prints', /nobody prints this JSON/, [['json', '{}']]],
  ['Python that cannot be read', /SyntaxError/, [['python', 'def']]],
  ['a language that nobody runs', /nobody runs a block of "cobol"/, [['cobol', 'STOP RUN.']]],
  ['a text that belongs to nothing', /nobody prints this text/, [['text', '42']]],
  ['a drawing of something else', /belongs to no folder/, [['', '+---+']]],
])(
  '%s is caught',
  async (_, complaint, blocks) => {
    await expect(run(...blocks)).rejects.toThrow(complaint);
  },
  60_000,
);

test('types that do not fit, and names that a package has not, are caught', () => {
  const blocks = blocksOf(
    'x.md',
    fenced([
      ['ts', CLOCK],
      ['ts', CLOCK.replace('number', 'string')],
      ['ts', CLOCK.replaceAll('TestClock', 'TestClok')],
    ]),
  );
  const complaints = [...complaintsOf(blocks)];
  expect(complaints).toEqual([
    ['x.md:6', expect.stringMatching(/^line 8: TS2322/)],
    ['x.md:11', expect.stringMatching(/^line 12: TS2724/)],
  ]);
});

test('a block without an end is caught', () => {
  expect(() => blocksOf('x.md', 'a\n```js\nb\n')).toThrow('x.md:2: this code block has no end');
});

test('an id and an instant stand for any other, and for nothing else', () => {
  const shown = 'ended s01k6y3v9qxm2r8t4w7z5b1c0d3 2026-06-01T12:00:00.000Z';
  expect(fits(shown, 'ended s01m80zhd0d2rr1hehq6e6f6rj8 2026-11-22T06:36:45Z')).toBe(true);
  expect(fits(shown, 'ended somebody 2026-11-22T06:36:45Z')).toBe(false);
  expect(fits(shown, 'ended s01m80zhd0d2rr1hehq6e6f6rj8 now')).toBe(false);
});

test('JSON with other members, or others of their types, is caught', () => {
  checkMembers('{"a":{"b":1},"c":"x"}', '{"c":"y","a":{"b":2}}');
  expect(() => checkMembers('{"a":1}', '{"a":1,"b":1}')).toThrow('only there: .b (number)');
  expect(() => checkMembers('{"a":1,"b":1}', '{"a":1}')).toThrow('only here: .b (number)');
  expect(() => checkMembers('{"a":1}', '{"a":"1"}')).toThrow('.a (string)');
  expect(() => checkMembers('{"a":1}', '')).toThrow('nothing was printed');
});

test('a line that a suite prints otherwise is caught', async () => {
  const place = 'tests/watch/README.md:6';
  const line = (text: string) => ({ place, language: 'text', text: `secrets: ${text}\n` });
  expect(await isPrinted(line('7 watched (at least 500), 8 bytes searched, 0 found'))).toBe(true);
  await expect(isPrinted(line('7 watched (at least 400), 8 bytes searched, 0 found'))).rejects.toThrow('500');
  await expect(isPrinted(line('7 seen (at least 500), 8 bytes searched, 0 found'))).rejects.toThrow(
    'watched',
  );
});

test('a drawing that lacks a folder, or has one that is not there, is caught', () => {
  const [{ text } = { text: '' }] = blocksOf('ARCHITECTURE.md').filter(({ language }) => language === '');
  expect(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')).toContain(text);
  checkDrawing(text);
  expect(() => checkDrawing(text.replace('backend-mysql', ''))).toThrow('has no packages/backend-mysql');
  expect(() => checkDrawing(text.replace('filter-log  ', 'filter-log  filter-none  '))).toThrow(
    'there is no packages/filter-none',
  );
  expect(() => checkDrawing(text.replace('tests/', 'test/'))).toThrow('has no');
});
