import { strict as assert } from 'node:assert';
import { expect, it } from 'vitest';
import { newRecord } from '../src/changes.js';
import type { DataOptions, DataSchema } from '../src/data-schema.js';
import { SessionError } from '../src/errors.js';
import { createId, type Environment, processEnvironment, type SessionRecord } from '../src/index.js';
import { TypedData } from '../src/typed-data.js';

type Values = Readonly<Record<string, unknown>>;

/** Numbers under n and m, with n at most m; n is 1 by default. Whatever else is there is dropped. */
const schema: DataSchema<Values, Values> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (given) => {
      const { n = 1, m = 9 } = given as Values;
      if (typeof n !== 'number') return { issues: [{ message: `"${String(n)}" is no number`, path: ['n'] }] };
      if (typeof m !== 'number') return { issues: [{ message: 'is no number', path: [{ key: 'm' }] }] };
      if (n > m) return { issues: [{ message: 'n is larger than m' }] };
      return { value: { n, m } };
    },
  },
};
const options: DataOptions = {
  schema,
  version: 2,
  migrate: (old, from) => ({ n: Number(old.text ?? 0) + from }),
};

const client = { ip: '192.0.2.7', port: 1, cipher: '', userAgent: '', attributes: {} };
const times = { duration: 1, idle: 1, anonymousIdle: 1 };
const record = (data: Values, dataVersion: number): SessionRecord => ({
  ...newRecord(createId(processEnvironment as Environment, 1), 'shop', 'h', client, times, 1, dataVersion),
  data: Object.keys(data).length === 0 ? '{}' : JSON.stringify(data),
});
const text = (data: Values) => {
  const lines = Object.entries(data).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n}`;
};
const code = (step: () => unknown) => {
  try {
    step();
  } catch (error) {
    return error instanceof SessionError ? [error.code, error.clientCode, error.message] : error;
  }
  return undefined;
};
const misfit = (path: string) =>
  `service "shop": the data of the session does not fit data.schema at ${path}`;

type Make = (given?: Partial<DataOptions>) => TypedData;

const cases: Readonly<Record<string, (make: Make) => void>> = {
  'reads what the schema makes of it': (make) => assert.deepEqual({ ...make().read('{}') }, { n: 1, m: 9 }),
  'hands out what nobody can change': (make) => assert(Object.isFrozen(make().read('{}'))),
  'refuses to read what does not fit, without its values': (make) =>
    assert.deepEqual(
      code(() => make().read(text({ n: 'Bond' }))),
      ['INVALID_VALUE', undefined, misfit('n')],
    ),
  'refuses a bad value of the key that is set': (make) =>
    assert.deepEqual(
      code(() => make().checkKey('m', text({ m: 'x' }))),
      ['INVALID_VALUE', undefined, misfit('m')],
    ),
  'leaves to a later change what is wrong elsewhere': (make) =>
    assert.equal(
      code(() => make().checkKey('n', text({ n: 10 }))),
      undefined,
    ),
  'refuses a key that the schema drops': (make) =>
    assert.deepEqual(
      code(() => make().checkKey('k', text({ k: 1 }))),
      ['INVALID_VALUE', undefined, 'service "shop": data.schema has no key "k"'],
    ),
  'refuses to store what does not fit': (make) =>
    assert.deepEqual(
      code(() => make().check(text({ n: 10 }))),
      ['INVALID_VALUE', undefined, misfit('the top')],
    ),
  'takes a bad merge for a conflict': (make) =>
    assert.deepEqual(
      code(() => make().check(text({ n: 10 }), true))
        ?.toString()
        .split(',')
        .slice(0, 2),
      ['INVALID_VALUE', 'conflict'],
    ),
  'migrates older data and says from where': (make) =>
    assert.equal(make().textOf(record({ text: '5' }, 1)), text({ n: 6 })),
  'takes older data as it is where there is no migration': (make) =>
    assert.equal(make({ migrate: undefined }).textOf(record({ n: 5 }, 1)), text({ n: 5 })),
  'refuses newer data, which is not lost': (make) =>
    assert.deepEqual(
      (code(() => make().textOf(record({ n: 5 }, 3))) as readonly unknown[] | undefined)?.slice(0, 2),
      ['UNSUPPORTED', 'store_unavailable'],
    ),
  'neither migrates nor refuses an empty session': (make) =>
    assert.deepEqual(
      [1, 3].map((version) => make().textOf(record({}, version))),
      ['{}', '{}'],
    ),
  'tells of a migration that fails': (make) => {
    const failing = make({
      migrate: () => {
        throw new Error('no');
      },
    });
    assert.deepEqual(
      code(() => failing.textOf(record({ n: 5 }, 1))),
      ['INVALID_VALUE', undefined, 'service "shop": data.migrate threw for data of version 1'],
    );
    const answering = make({ migrate: async () => ({}) });
    assert.equal((code(() => answering.textOf(record({ n: 5 }, 1))) as string[])[0], 'INVALID_VALUE');
  },
  'is refused at the start when it does not take {}': (make) => {
    const strict: DataSchema = {
      '~standard': { ...schema['~standard'], validate: () => ({ issues: [{ message: 'no' }] }) },
    };
    assert.equal((code(() => make({ schema: strict })) as string[] | undefined)?.[0], 'CONFIG_INVALID');
  },
};

const real: Make = (given) => new TypedData('shop', { ...options, ...given });

/** The real one with one rule broken. */
function broken(mutate: (typed: TypedData, given: DataOptions) => Partial<TypedData>): Make {
  return (given) => {
    const typed = new TypedData('shop', { ...options, ...given });
    return Object.assign(typed, mutate(typed, { ...options, ...given }));
  };
}

const mutants: Readonly<Record<string, Make>> = {
  'reads what is stored': broken(() => ({ read: (data) => Object.freeze(JSON.parse(data) as Values) })),
  'hands out what can be changed': broken((typed) => {
    const { read } = typed;
    return { read: (data) => ({ ...read.call(typed, data) }) };
  }),
  'checks no key': broken(() => ({ checkKey: () => undefined })),
  'checks everything with each key': broken((typed) => ({ checkKey: (_, data) => typed.check(data) })),
  'checks nothing before it is stored': broken(() => ({ check: () => undefined })),
  'takes a bad merge for a bad value': broken((typed) => {
    const { check } = typed;
    return { check: (data) => check.call(typed, data, false) };
  }),
  'reads older data as it is': broken(() => ({ textOf: ({ data }) => text(JSON.parse(data) as Values) })),
  'reads newer data on': broken((typed) => {
    const { textOf } = typed;
    return { textOf: (of) => textOf.call(typed, { ...of, dataVersion: Math.min(of.dataVersion, 2) }) };
  }),
  'migrates also what is empty': broken((typed, { migrate }) => {
    const { textOf } = typed;
    return { textOf: (of) => (of.data === '{}' ? text(migrate?.({}, 1) as Values) : textOf.call(typed, of)) };
  }),
  'always migrates': broken((typed) => {
    const { textOf } = typed;
    return { textOf: (of) => (of.dataVersion < 2 ? text({ n: 6 }) : textOf.call(typed, of)) };
  }),
  'tells of no failing migration': broken((typed) => {
    const { textOf } = typed;
    return {
      textOf: (of) => {
        try {
          return textOf.call(typed, of);
        } catch (error) {
          if (error instanceof SessionError && error.code === 'INVALID_VALUE') return '{}';
          throw error;
        }
      },
    };
  }),
  'repeats the words of the library': broken((typed) => {
    const { read } = typed;
    return {
      read: (data) => {
        try {
          return read.call(typed, data);
        } catch (error) {
          throw new SessionError('INVALID_VALUE', String((error as Error).cause));
        }
      },
    };
  }),
  'starts with any schema': (given) => {
    try {
      return real(given);
    } catch {
      return real();
    }
  },
};

it.each(Object.entries(cases))('typed data %s', (_name, run) => run(real));

it('each of these rules is needed: typed data that breaks one of them fails, and every case finds one that does', () => {
  const caught = new Map<string, string[]>();
  for (const [mutant, make] of Object.entries(mutants))
    caught.set(
      mutant,
      Object.entries(cases).flatMap(([name, run]) => (code(() => run(make)) === undefined ? [] : [name])),
    );
  expect([...caught].filter(([, by]) => by.length === 0)).toEqual([]);
  const useful = new Set([...caught.values()].flat());
  expect(Object.keys(cases).filter((name) => !useful.has(name))).toEqual([]);
});
