import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memory } from '@sessionkit/backend-memory';
import { altered, type MeasuredStore, type StoreFacts, storeFacts } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { factsOfAll, repository, withTable } from './table.js';

const file = join(repository, 'README.md');
const readme = readFileSync(file, 'utf8');
const stores = factsOfAll();

it('the README has the table that the facts of all backends make; `npm run stores-table` puts it there', async () => {
  await expect(withTable(readme, stores)).toMatchFileSnapshot(file);
});

describe.each(stores.map((facts) => [facts.type, facts] as const))('of %s', (type, facts) => {
  it.each(changes(facts))('the table is stale when another fact was found: %s', (_, changed) => {
    const others = stores.map((each) => (each.type === type ? changed : each));
    expect(withTable(readme, others)).not.toBe(readme);
  });
});

it('a README without a place for the table is refused', () => {
  expect(() => withTable('# Else\n', stores)).toThrow('no place for the table');
});

describe('the facts of a backend', () => {
  const measured = (members: object): MeasuredStore => ({
    name: 'the process itself',
    start: async () => ({
      addresses: [],
      connect: async () => altered(memory(), members),
      stop: async () => {},
    }),
  });
  const sound = stores.find(({ type }) => type === 'memory') ?? expect.fail();

  it('are those of the backend that is measured', async () => {
    expect(await storeFacts(measured({}))).toEqual(sound);
  });

  it('are others when a trait is another one, or an ability is missing', async () => {
    const traits = { ...memory().traits, maxRecordBytes: 1_000 };
    expect((await storeFacts(measured({ traits }))).traits).toEqual({ ...traits });
    const blind = await storeFacts(measured({ list: undefined }));
    expect(blind.abilities).toEqual({ ...sound.abilities, inspect: false });
    expect(blind.roundTrips.list).toBeNull();
    expect(blind.pageGrows).toBeNull();
  });

  it.each<[string, object]>([
    ['loads nothing', { load: async () => [undefined] }],
    ['stores nothing', { save: async () => false }],
    [
      'finds nobody to touch',
      { touch: async (batch: readonly { id: string }[]) => batch.map(({ id }) => id) },
    ],
    ['ends nobody', { end: async () => [] }],
    ['has no rows', { list: async () => ({ items: [], next: undefined }) }],
  ])('are not told of one that %s: what does nothing is cheap', async (_, members) => {
    await expect(storeFacts(measured(members))).rejects.toThrow(/not (loaded|stored|ended|find|full)/);
  });
});

/** What somebody who chooses a store asks, in this order. */
const questions = [
  'Restart',
  'Fail-over',
  'Eviction',
  'Listing',
  'Endings',
  'Largest record',
  'Places per user',
];

it.each(stores.map(({ type }) => type))('the README of %s answers what somebody who chooses asks', (type) => {
  const text = readFileSync(join(repository, 'packages', `backend-${type}`, 'README.md'), 'utf8');
  const [, behaviour = ''] = text.split('\n## Behaviour\n\n');
  const begun = [...behaviour.matchAll(/^- (?:\*\*([^*]*)\*\*)?/gm)].map(([, label]) => label);
  expect(begun.slice(0, questions.length)).toEqual(questions);
});

it('the page about the choice names every store, once in its short table', () => {
  const page = readFileSync(join(repository, 'docs', 'choosing-a-store.md'), 'utf8');
  const named = [...page.matchAll(/\| \[(\w+)\]\(\.\.\/packages\/backend-\1\/README\.md\)/g)].map(
    ([, type]) => type,
  );
  expect(named.sort()).toEqual(stores.map(({ type }) => type));
});

/** The same facts, with one of them changed at a time. */
function changes(facts: StoreFacts): [string, StoreFacts][] {
  const other = (value: unknown) => {
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'number') return value + 1_048_576;
    return value === null ? 1 : `${value}, or another`;
  };
  // Whether an option makes it durable is told of those that are not without it.
  const flat = [
    'type',
    'provedOn',
    'pageGrows',
    ...(facts.traits.durable ? [] : (['durableByOption'] as const)),
  ] as const;
  const deep = ['traits', 'abilities', 'roundTrips'] as const;
  return [
    ...flat.map((name): [string, StoreFacts] => [name, { ...facts, [name]: other(facts[name]) }]),
    ...deep.flatMap((group) =>
      Object.entries(facts[group]).map(([name, value]): [string, StoreFacts] => [
        `${group}.${name}`,
        { ...facts, [group]: { ...facts[group], [name]: other(value) } },
      ]),
    ),
  ];
}
