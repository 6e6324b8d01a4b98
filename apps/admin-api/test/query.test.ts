import { describe, expect, test } from 'vitest';
import { AdminError } from '../src/errors.js';
import { holds, parseExpression } from '../src/query/expression.js';
import { parseFields, pick } from '../src/query/fields.js';
import { compareText, jsonAt, sameJson } from '../src/query/json.js';
import { parsePath, parsePointer, placeOf, select } from '../src/query/path.js';
import { errorsOf, fixture } from './fixture.js';

function detailOf(text: string): string | undefined {
  try {
    parseExpression(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    expect(error.status).toBe(400);
    return error.details.join();
  }
}

const fits = (text: string, value: unknown) => holds(parseExpression(text), value);

describe('an expression', () => {
  test.each([
    ['', 'Empty filter expression'],
    ['magic(1)', 'Not a valid filter expression: magic(1)'],
    ['EQ(1)', 'Not a valid filter expression: EQ(1)'],
    ['eqx(1)', 'Not a valid filter expression: eqx(1)'],
    ['trueish', 'Not a valid filter expression: trueish'],
    ['or()', 'Not a valid filter expression: )'],
    ['or(1,', 'Not a valid filter expression: '],
    ['or(eq(1), eq(2))', 'Not a valid filter expression:  eq(2))'],
    ['"half', 'Not a valid filter expression: "half'],
    ['{"a":1', 'Not a valid filter expression: {"a":1'],
    ['[1,2}', 'Not a valid filter expression: [1,2}'],
    ['01', 'Not a valid filter expression: 01'],
    ['+1', 'Not a valid filter expression: +1'],
    ['eq', "Expected '(', got ''"],
    ['eq 1', "Expected '(', got ' 1'"],
    ['eq(', 'Invalid JSON: '],
    ["eq('1')", "Invalid JSON: '1')"],
    ['eq(1e400)', 'Invalid JSON: 1e400)'],
    ['eq([1e400])', 'Invalid JSON: [1e400])'],
    ['eq(9223372036854775808)', 'Invalid JSON: 9223372036854775808)'],
    ['eq(-9223372036854775809)', 'Invalid JSON: -9223372036854775809)'],
    ['eq("1" )', "Expected ')', got ' )'"],
    ['eq(1,2)', "Expected ')', got ',2)'"],
    ['and(1', "Expected ')', got ''"],
    ['eq(1))', 'Unexpected trailing data: )'],
    ['1 ', 'Unexpected trailing data:  '],
    [`magic("${'x'.repeat(40)}")`, 'Not a valid filter expression: (not shown)'],
    [`magic(${'"x",'.repeat(40)})`, 'Not a valid filter expression: (not shown)'],
    [`${'not('.repeat(60)}1${')'.repeat(60)}`, 'A filter expression is nested deeper than 50 levels.'],
  ])('%s is a 400', (text, detail) => {
    expect(detailOf(text)).toBe(detail);
  });

  test.each([
    'eq( "a")',
    'eq(\t1)',
    ' 1',
    'true',
    'null',
    'not(true,null)',
    '-0.5e3',
    'eq({"a":["}",{"b":"]"}]})',
    'eq(9223372036854775807)',
    'eq("99999999999999999999")',
    `${'not('.repeat(49)}1${')'.repeat(49)}`,
  ])('%s is one', (text) => {
    expect(detailOf(text)).toBeUndefined();
  });

  test('compares numbers with numbers, texts by their code points, and nothing else', () => {
    expect(fits('eq(3.0)', 3)).toBe(true);
    expect(fits('gt(3)', 3.5)).toBe(true);
    expect(fits('le(3)', 3)).toBe(true);
    expect(fits('lt("b")', 'a')).toBe(true);
    expect(fits('gt("10")', '2')).toBe(true);
    expect(fits('gt("\uffff")', '\u{10000}')).toBe(true);
    for (const op of ['lt', 'le', 'gt', 'ge']) {
      for (const [literal, value] of [
        ['"1"', 1],
        ['1', '1'],
        ['true', true],
        ['null', null],
        ['[]', []],
        ['{}', {}],
      ] as const) {
        expect([op, literal, fits(`${op}(${literal})`, value)]).toEqual([op, literal, false]);
      }
    }
    expect(fits('ne(1)', '1')).toBe(true);
    expect(fits('not(ge(1))', '1')).toBe(true);
  });

  test('joins others', () => {
    expect(fits('and(ge(1),le(3),not(2))', 1)).toBe(true);
    expect(fits('and(ge(1),le(3),not(2))', 2)).toBe(false);
    expect(fits('or("a","b")', 'b')).toBe(true);
    expect(fits('not("a","b")', 'b')).toBe(false);
    expect(fits('not("a","b")', 'c')).toBe(true);
  });

  test('is equal to a value in any order of its members, and to nothing like it', () => {
    expect(sameJson({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toBe(true);
    for (const other of [{ a: 1 }, { a: 1, b: 3 }, { a: 1, c: 2 }, [1, 2], null, 'x'])
      expect(sameJson({ a: 1, b: 2 }, other)).toBe(false);
    expect(sameJson([1, 2], { 0: 1, 1: 2 })).toBe(false);
    expect(sameJson(JSON.parse('{"__proto__":1}'), {})).toBe(false);
  });

  test('has its JSON read just as far as it goes', () => {
    expect(jsonAt('x{"a":"\\"}"})', 1)).toEqual({ value: { a: '"}' }, end: 12 });
    expect(jsonAt('[[],[]]]', 0)).toEqual({ value: [[], []], end: 7 });
    expect(jsonAt(')', 0)).toBeUndefined();
  });

  test('sorts texts as their UTF-8 does', () => {
    const texts = ['', 'a', 'ab', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
    const bytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    for (const a of texts) for (const b of texts) expect(Math.sign(compareText(a, b))).toBe(bytes(a, b));
  });
});

describe('a path', () => {
  const row = { id: '1', list: [{ n: 1 }, { n: 2 }], 'a.b': { "it's": 3, '0': 4 }, empty: null };

  test.each([
    ['id', ['1']],
    ['$.id', ['1']],
    ["$['id']", ['1']],
    ["['a.b']['0']", [4]],
    ['list[0].n', [1]],
    ['list[0,1].n', [1, 2]],
    ['list[1,1].n', [2, 2]],
    ['list[*].n', [1, 2]],
    ['list.*.n', [1, 2]],
    ['list[1:5].n', [2]],
    ['$.list[0].*', [1]],
    ['empty', [null]],
    ['$', [row]],
    ['list[7].n', []],
    ['id.x', []],
    ['empty.x', []],
    ['constructor', []],
    ['list.length', []],
    ['list.0', []],
  ])('%s leads to what is there', (text, values) => {
    const steps = parsePath(text);
    expect(steps && select(steps, row)).toEqual(values);
  });

  test.each([
    '',
    'id.',
    '$..id',
    'a..b',
    '.id',
    'id[',
    'id[]',
    "['a','b']",
    '["id"]',
    'list[-1]',
    'list[0, 1]',
    '$id',
    '*',
  ])('%s is none', (text) => {
    expect(parsePath(text)).toBeUndefined();
  });

  test.each([
    ['/list/0/n', [1]],
    ['list//01/n/', [2]],
    ['/a.b/0', [4]],
    ['/list/-', []],
    ['/list/-1', []],
    ['/list/1e0', []],
    ['/list/length', []],
    ['/toString', []],
    ['', [row]],
  ])('as a pointer %s leads to what is there', (text, values) => {
    expect(select(parsePointer(text), row)).toEqual(values);
  });

  test('has one name for all ways to write it', () => {
    for (const steps of [
      parsePointer('a/00/b'),
      parsePointer('/a//0/b/'),
      parsePath('$.a[0].b'),
      parsePath("['a'][0]['b']"),
    ])
      expect(steps && placeOf(steps)).toBe('a/0/b');
    expect(placeOf(parsePath('a[*].b') ?? [])).toBe('a/*/b');
  });
});

describe('fields', () => {
  const row = {
    id: '1',
    type: 'sessions',
    links: { self: 'x' },
    attributes: { b: { x: 1, y: { z: 2 } }, a: [{ q: 1 }], 'a-b': 1, user: 'u' },
    relationships: { services: { data: [] } },
  };
  const picked = (text: string) => {
    const fields = parseFields(text);
    return fields && JSON.stringify(pick(row, fields));
  };

  test.each([
    ['user', '{"attributes":{"user":"u"},"id":"1","links":{"self":"x"},"type":"sessions"}'],
    [
      'b/y/z,b/x,a/0/q,a-b',
      '{"attributes":{"a":[{"q":1}],"a-b":1,"b":{"x":1,"y":{"z":2}}},"id":"1","links":{"self":"x"},"type":"sessions"}',
    ],
    ['b,b/x', '{"attributes":{"b":{"x":1,"y":{"z":2}}},"id":"1","links":{"self":"x"},"type":"sessions"}'],
    ['b/x,b', '{"attributes":{"b":{"x":1,"y":{"z":2}}},"id":"1","links":{"self":"x"},"type":"sessions"}'],
    ['b/nope', '{"attributes":{"b":{}},"id":"1","links":{"self":"x"},"type":"sessions"}'],
    [
      '/services//',
      '{"id":"1","links":{"self":"x"},"relationships":{"services":{"data":[]}},"type":"sessions"}',
    ],
    ['__proto__,constructor, user', '{"id":"1","links":{"self":"x"},"type":"sessions"}'],
  ])('%s pick what they name, sorted', (text, json) => {
    expect(picked(text)).toBe(json);
  });

  test.each(['', ',', '/,//'])('"%s" are none', (text) => {
    expect(parseFields(text)).toBeUndefined();
  });
});

describe('a query', () => {
  test('that holds a session token is a 400, and neither the answer nor the log repeats it', async () => {
    const { ask, start, access } = await fixture();
    const { id, token } = await start();
    for (const query of [
      `filter=/attributes/user="${token}"`,
      `filter=/attributes/user="x${token.replace('s', 's0')}${token}"`,
      `filter[${token}]=1`,
      `fields[sessions]=${token}`,
      `page[after]=${token}`,
      `rdns=${token}`,
    ]) {
      const response = await ask('GET', `/v1/sessions?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect(await response.text()).not.toContain(token.slice(28));
    }
    expect(JSON.stringify(access)).not.toContain(token.slice(28));
    expect((await ask('GET', `/v1/sessions?filter=/id="${id}"`)).status).toBe(200);
  });

  test('of a single session may have filters, which let it through but must be well-formed', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    for (const query of [
      'filter=id="nobody"',
      'filter[id]="nobody"',
      'filter[id]=magic(',
      'filter',
      'page[size]=0',
    ])
      expect([query, (await ask('GET', `/v1/sessions/${id}?${query}`)).status]).toEqual([query, 200]);
    const response = await ask('GET', `/v1/sessions/${id}?filter=id=magic(`);
    expect([response.status, await errorsOf(response)]).toEqual([
      400,
      ['Not a valid filter expression: magic('],
    ]);
  });

  test('may be sent raw or encoded, in any case, with + for a space, and the first of a repeated name counts', async () => {
    const { ask, start } = await fixture();
    const { id } = await start({ user: 'ann lee' });
    await start({ user: 'bob' });
    for (const query of [
      'filter[attributes.user]="ann+lee"',
      'FILTER%5Battributes.user%5D=eq(%22ann%20lee%22)',
      'Filter=/attributes/user=eq("ann+lee")',
      'filter=/attributes/user="ann+lee"&filter=/attributes/user="bob"',
      'filter[attributes.user]="ann+lee"&filter[attributes.port]=gt(1)&filter=/type="sessions"',
    ]) {
      const { data } = (await (await ask('GET', `/v1/sessions?${query}`)).json()) as {
        data: { id: string }[];
      };
      expect([query, data.map((row) => row.id)]).toEqual([query, [id]]);
    }
    const none = await ask('GET', '/v1/sessions?filter[attributes.User]="ann+lee"');
    expect(await none.json()).toMatchObject({ data: [] });
  });
});
