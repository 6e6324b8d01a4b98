import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  storedClient,
  storedEnded,
  storedJson,
  storedNumber,
  storedObject,
  storedOptional,
  storedPrior,
  storedText,
  storedTexts,
  storedVersion,
  storedWhole,
} from '../src/stored.js';

interface Reader {
  /** Of the member that it reads here: a refusal says it. */
  readonly member: string;
  read(value: unknown): unknown;
  /** What it takes, and what it answers then. */
  readonly takes: readonly (readonly [given: unknown, answered: unknown])[];
  readonly refuses: readonly unknown[];
}

const SECRET = 'hunter2';
const NOTHING = [undefined, null];
const client = { ip: '::1', port: 1, cipher: '', userAgent: 'x', attributes: { a: 'b' } };
const prior = { hash: 'h', kind: 'rotated', until: undefined };
const ended = { at: 1, cause: 'logout', by: undefined };

/** A sound object with each of its members replaced by each of these. */
const spoilt = (sound: object, members: Readonly<Record<string, readonly unknown[]>>) =>
  Object.entries(members).flatMap(([name, values]) => values.map((value) => ({ ...sound, [name]: value })));

const readers: readonly Reader[] = [
  {
    member: 'service',
    read: (value) => storedText(value, 'service'),
    takes: [
      ['', ''],
      ['shop', 'shop'],
    ],
    refuses: [...NOTHING, 5, true, [SECRET], { [SECRET]: SECRET }],
  },
  {
    member: 'idle',
    read: (value) => storedNumber(value, 'idle'),
    takes: [
      [0, 0],
      [-1.5, -1.5],
    ],
    refuses: [...NOTHING, '5', SECRET, Number.NaN, Number.POSITIVE_INFINITY, [5], {}],
  },
  {
    member: 'epoch',
    read: (value) => storedWhole(value, 'epoch'),
    takes: [
      [7, 7],
      ['-7', -7],
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ],
    refuses: [...NOTHING, '', SECRET, 0.5, '0.5', '9007199254740993', 'Infinity', [7], {}],
  },
  {
    member: 'version',
    read: storedVersion,
    takes: [
      [1, 1],
      ['2', 2],
    ],
    refuses: [...NOTHING, 0, '-1', 1.5, SECRET, {}],
  },
  {
    member: 'writes',
    read: (value) => storedTexts(value, 'writes'),
    takes: [
      [[], []],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    ],
    refuses: [...NOTHING, SECRET, [SECRET, 1], { 0: SECRET }],
  },
  {
    member: 'extra',
    read: (value) => storedObject(value, 'extra'),
    takes: [
      [{}, {}],
      [{ a: [1] }, { a: [1] }],
    ],
    refuses: [...NOTHING, SECRET, 5, [SECRET]],
  },
  {
    member: 'controls',
    read: (value) => storedJson(value, 'controls'),
    takes: [
      ['null', null],
      ['{"a":[1]}', { a: [1] }],
    ],
    refuses: [...NOTHING, 5, '', SECRET, `{"${SECRET}":`, [SECRET]],
  },
  {
    member: 'killAt',
    read: (value) => storedOptional(value, storedNumber, 'killAt'),
    takes: [
      [undefined, undefined],
      [5, 5],
    ],
    refuses: [null, SECRET],
  },
  {
    member: 'prior',
    read: storedPrior,
    takes: [
      [{ hash: 'h', kind: 'rotated' }, prior],
      [
        { hash: 'h', kind: 'superseded', until: 5, more: 1 },
        { hash: 'h', kind: 'superseded', until: 5 },
      ],
    ],
    refuses: [
      ...[...NOTHING, SECRET, [SECRET]],
      ...spoilt(prior, { hash: [undefined, 5], kind: [undefined, SECRET], until: [null, SECRET] }),
    ],
  },
  {
    member: 'ended',
    read: storedEnded,
    takes: [
      [{ at: 1, cause: 'logout' }, ended],
      [
        { at: 1, cause: 'of a newer version', by: 'olga' },
        { at: 1, cause: 'of a newer version', by: 'olga' },
      ],
    ],
    refuses: [
      ...[...NOTHING, SECRET, [1, SECRET, null]],
      ...spoilt(ended, { at: [undefined, SECRET], cause: [undefined, 7], by: [null, 7] }),
    ],
  },
  {
    member: 'client',
    read: (value) => storedClient(value),
    takes: [[{ ...client, more: 1 }, client]],
    refuses: [
      ...[...NOTHING, SECRET, [SECRET]],
      ...spoilt(client, {
        ip: [undefined, 5],
        port: [undefined, SECRET],
        cipher: [undefined, 5],
        userAgent: [undefined, null],
        attributes: [undefined, SECRET, [SECRET]],
      }),
    ],
  },
];

/** What is wrong with a reader. */
function problemsOf({ member, read, takes, refuses }: Reader): string[] {
  const outcome = (value: unknown) => {
    try {
      return { answer: read(value) };
    } catch (error) {
      return { said: (error as Error).message };
    }
  };
  return [
    ...takes
      .filter(([given, answered]) => !isDeepStrictEqual(outcome(given), { answer: answered }))
      .map(([given]) => `does not take ${JSON.stringify(given)} for what it is`),
    ...refuses.flatMap((value) => {
      const { said } = outcome(value);
      if (said === undefined) return [`takes ${JSON.stringify(value)}`];
      if (!said.startsWith(member)) return [`does not name ${member}: ${said}`];
      return said.includes(SECRET) ? [`tells what is stored: ${said}`] : [];
    }),
  ];
}

describe('what a store has kept of a record', () => {
  it.each(readers)('is read as $member, or refused by name and not quoted', (reader) => {
    expect(problemsOf(reader)).toEqual([]);
  });

  it('knows where an address of a client is kept that stands elsewhere', () => {
    const { ip: _, ...rest } = client;
    expect(storedClient(rest, '10.0.0.1')).toEqual({ ...client, ip: '10.0.0.1' });
  });

  it.each<[how: string, mutant: (reader: Reader) => Reader['read'], says: RegExp]>([
    ['believes everything', () => (value) => value, /takes/],
    [
      'refuses everything',
      ({ member }) =>
        () => {
          throw new Error(`${member} is none`);
        },
      /does not take/,
    ],
    [
      'quotes what it refuses',
      ({ member, read }) =>
        (value) => {
          try {
            return read(value);
          } catch {
            throw new Error(`${member} is ${JSON.stringify(value)}`);
          }
        },
      /tells/,
    ],
  ])('would be told from what a careless reader makes of it, which %s', (_, mutant, says) => {
    for (const reader of readers.filter(({ refuses }) => refuses.includes(SECRET)))
      expect(problemsOf({ ...reader, read: mutant(reader) }).join('\n')).toMatch(says);
  });
});
