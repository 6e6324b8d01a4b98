import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import { faultSuite, hostileLine } from '@sessionkit/testkit';
import { verdict } from '@sessionkit/watch/search';
import { type Block, root } from './blocks.js';

/** Lines that suites print, as far as what prints them can tell it without a run: by document, and by what they begin with. */
const PRINTED: Readonly<Record<string, Readonly<Record<string, () => Promise<string>>>>> = {
  'packages/testkit/README.md': {
    'faults mine:': async () => {
      const store = {
        addresses: [],
        connect: async () => memory(),
        peek: async () => undefined,
        corrupt: async () => {},
        connections: async () => 0,
        kill: async () => {},
        restart: async () => {},
        stop: async () => {},
      };
      const suite = await faultSuite({ name: 'mine', start: async () => store });
      await suite.close();
      return suite.report().join('\n');
    },
    'hostile mine:': async () =>
      hostileLine('mine', { values: 0, kept: 0, refused: 0, changed: 0, damaged: 0, random: 0 }),
  },
  'tests/watch/README.md': {
    'secrets:': async () =>
      verdict({ watched: 0, bytes: 0, bytesOf: {}, allowed: 0, found: [] }, true).lines.at(-1) ?? '',
  },
};

/** With every number that is measured as N; bounds, which stand in brackets, stay. `S` and `B` stand for numbers. */
const shape = (line: string) =>
  line
    .trim()
    .split(/(\([^)]*\))/)
    .map((part, at) => (at % 2 === 1 ? part : part.replace(/\b([\d,]*\d|[SB])\b/g, 'N')))
    .join('');

/** Whether a block of text is a line that a suite prints. @throws Error when it prints another one. */
export async function isPrinted({ place, text }: Block): Promise<boolean> {
  const [path = ''] = place.split(':');
  const [, print] = Object.entries(PRINTED[path] ?? {}).find(([begin]) => text.startsWith(begin)) ?? [];
  if (print === undefined) return false;
  const printed = await print();
  // What no run has measured is not told: the rest stands there, in its order.
  const shown = shape(text).split(', ');
  let at = -1;
  for (const part of shape(printed).split(', ')) {
    at = shown.indexOf(part, at + 1);
    if (at < 0) throw new Error(`printed is\n${printed}\nand not\n${text}`);
  }
  return true;
}

/**
 * Compares the members of two documents in JSON, and the types of their values.
 *
 * @throws Error when one has a member that the other has not, or of another type.
 */
export function checkMembers(shown: string, printed: string): void {
  if (printed.trim() === '') throw new Error('nothing was printed');
  const [ours, theirs] = [membersOf(JSON.parse(shown)), membersOf(JSON.parse(printed))];
  const missing = theirs.filter((member) => !ours.includes(member));
  const added = ours.filter((member) => !theirs.includes(member));
  if (missing.length + added.length > 0)
    throw new Error(
      `printed is ${printed}; only there: ${missing.join(', ')}; only here: ${added.join(', ')}`,
    );
}

function membersOf(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [`${path} (${typeof value})`];
  return Object.entries(value).flatMap(([name, inner]) => membersOf(inner, `${path}.${name}`));
}

const GROUPS = ['packages', 'apps', 'examples', 'tests'];

/**
 * Checks a drawing of the folders: each that is named is there, and each that is there is named.
 *
 * @throws Error for any other drawing.
 */
export function checkDrawing(text: string): void {
  const named = new Map<string, string>();
  for (const line of text.trimEnd().split('\n')) {
    const [, group] = /^(\w+)\/(?: |$)/.exec(line) ?? [];
    const at = group ?? [...named.keys()].at(-1);
    if (at === undefined) throw new Error(`this line of the drawing belongs to no folder: ${line}`);
    named.set(at, `${named.get(at) ?? ''}${line.slice(group?.length ?? 0)}\n`);
  }
  for (const group of GROUPS) {
    const drawn = named.get(group);
    if (drawn === undefined) throw new Error(`the drawing has no ${group}/`);
    for (const name of foldersIn(group))
      if (!new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(drawn))
        throw new Error(`the drawing has no ${group}/${name}`);
    // A name stands first in its line, or after more than one blank, or before a colon.
    for (const [, name = ''] of drawn.matchAll(/(?<=^ +|[a-z] {2,}|· )([a-z]+(?:-[a-z]+)+)(?= {2,}|:|$)/gm))
      if (!foldersIn(group).includes(name)) throw new Error(`there is no ${group}/${name}`);
  }
}

const foldersIn = (group: string) =>
  readdirSync(join(root, group), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, group, entry.name, 'package.json')))
    .map(({ name }) => name);
