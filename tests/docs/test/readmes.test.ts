import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { documents, root } from '../src/blocks.js';
import { brokenLinks } from '../src/links.js';
import { membersOf, placesIn, wholeSchema, withOptions } from '../src/options.js';
import { published } from '../src/packages.js';
import { faultsOf } from '../src/readme.js';

const whole = await wholeSchema();
const fileOf = (folder: string) => join(root, folder, 'README.md');
const readmes = published.map(
  ({ name, folder }) => [name, folder, readFileSync(fileOf(folder), 'utf8')] as const,
);
/** What a configuration has a section for. */
const ADAPTER = /^packages\/(backend|transport|filter|router)-/;

describe.each(readmes)('the README of %s', (name, folder, text) => {
  it('says what it is in a sentence, and has the headings that every package has', () => {
    expect(faultsOf(name, text)).toEqual([]);
  });

  it('has the options that its schema has; `npm run options` puts them there', async () => {
    const hasResource = existsSync(join(root, folder, 'src', 'resource.ts'));
    if (ADAPTER.test(folder)) expect(placesIn(text)).toBe(hasResource ? 2 : 1);
    await expect(withOptions(folder, text, whole)).toMatchFileSnapshot(fileOf(folder));
  });

  it('names each option that code has', () => {
    const code = [...text.matchAll(/`[^`\n]+`|```[\s\S]*?```/g)].join('\n');
    const unnamed = [...membersOf(folder)].filter((member) => !new RegExp(`\\b${member}\\b`).test(code));
    expect(unnamed).toEqual([]);
  });
});

test('a README is stale when the schema says something else', () => {
  const folder = 'packages/backend-memory';
  const text = withOptions(folder, readFileSync(fileOf(folder), 'utf8'), whole);
  const schema = JSON.stringify(whole);
  for (const [from, to] of [
    ['Largest number of sessions', 'Smallest number of sessions'],
    ['"default":100000', '"default":99999'],
    ['"max_sessions":', '"most_sessions":'],
    ['"minimum":1,', '"minimum":2,'],
  ] as const) {
    expect(schema).toContain(from);
    const other = JSON.parse(schema.replaceAll(from, to)) as typeof whole;
    expect(withOptions(folder, text, other), to).not.toBe(text);
  }
});

test('a key without a description, and a place for options that there are not, are refused', () => {
  const place = (of: string) =>
    `<!-- options${of}: made by \`npm run options\` -->\n<!-- end of the options -->`;
  const bare = { properties: { key: { type: 'string' } }, type: 'object' };
  expect(() => withOptions('packages/compose', place(' of file'), bare)).toThrow('key has no description');
  expect(() => withOptions('packages/compose', place(''), whole)).toThrow('has no options');
  expect(() => withOptions('packages/backend-none', place(''), whole)).toThrow('has no options');
});

test.each<readonly [string, (text: string) => string, RegExp]>([
  ['a missing heading', (text) => text.replace('\n## YAML\n', '\n'), /headings/],
  ['a heading more', (text) => `${text}\n## Else\n`, /headings/],
  ['another title', (text) => text.replace('# @sessionkit/', '# '), /title/],
  ['no sentence', (text) => text.replace(/\n\n[\s\S]*?\n\nSize/, '\n\nSize'), /sentence/],
  [
    'an empty section',
    (text) => text.replace(/\n## YAML\n[\s\S]*?\n## /, '\n## YAML\n\n## '),
    /YAML says nothing/,
  ],
])('a README with %s is caught', (_, spoil, fault) => {
  const [name, , text] = readmes.find(([each]) => each === '@sessionkit/backend-memory') ?? expect.fail();
  expect(faultsOf(name, spoil(text)).join()).toMatch(fault);
});

test('every link of a document to something in the repository finds it', () => {
  const broken = documents().flatMap((path) => brokenLinks(path).map((link) => `${path}: ${link}`));
  expect(broken).toEqual([]);
});

test('links to a file, and to a heading, that are not there are caught', () => {
  const text =
    '# One\n[a](#one) [b](#two) [c](README.md) [d](gone.md) [e](README.md#which-store) [f](README.md#gone)';
  expect(brokenLinks('x.md', text)).toEqual(['#two', 'gone.md', 'README.md#gone']);
});
