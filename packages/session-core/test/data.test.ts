import { describe, expect, test } from 'vitest';
import {
  applyChange,
  EMPTY_DATA,
  keysOf,
  mergePatch,
  nameProblem,
  normaliseData,
  readKey,
  toJson,
  writeKey,
} from '../src/data.js';

const lines = '{\n"a":1,\n"b":[1,{"c":"x\\ny"}],\n"é\\"q":"}"\n}';

describe('data text', () => {
  test('is JSON for everybody else', () => {
    expect(JSON.parse(lines)).toEqual({ a: 1, b: [1, { c: 'x\ny' }], 'é"q': '}' });
    expect(keysOf(lines)).toEqual(['a', 'b', 'é"q']);
    expect(keysOf(EMPTY_DATA)).toEqual([]);
  });

  test('gives the value of each key, and of no other', () => {
    expect(readKey(lines, 'a')).toBe('1');
    expect(readKey(lines, 'b')).toBe('[1,{"c":"x\\ny"}]');
    expect(readKey(lines, 'é"q')).toBe('"}"');
    expect(readKey(lines, 'c')).toBeUndefined();
    expect(readKey(EMPTY_DATA, 'a')).toBeUndefined();
  });

  test.each(['a', 'b', 'é"q', 'new'])('takes a new value for %j and removes it', (key) => {
    const before = JSON.parse(lines) as Record<string, unknown>;
    const set = writeKey(lines, key, '"v"');
    expect(JSON.parse(set)).toEqual({ ...before, [key]: 'v' });
    expect(normaliseData(set)).toBe(set);
    const { [key]: _gone, ...rest } = before;
    const removed = writeKey(lines, key, undefined);
    expect(JSON.parse(removed)).toEqual(rest);
  });

  test('is empty when its last key goes, and begins with its first', () => {
    const one = writeKey(EMPTY_DATA, 'a', '1');
    expect(one).toBe('{\n"a":1\n}');
    expect(writeKey(one, 'a', undefined)).toBe(EMPTY_DATA);
  });

  test('behaves as an object does under many random changes', () => {
    let text = EMPTY_DATA;
    const model: Record<string, unknown> = {};
    let state = 7;
    const next = (n: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % n;
    };
    const keys = ['a', 'aa', '"a"', 'é', '\\', '{', ','];
    for (let i = 0; i < 2000; i++) {
      const key = keys[next(keys.length)] ?? 'a';
      if (next(3) === 0) {
        delete model[key];
        text = writeKey(text, key, undefined);
      } else {
        const value = [next(9), `v"${next(9)}\n`, { [key]: next(5) }][next(3)];
        model[key] = value;
        text = writeKey(text, key, JSON.stringify(value));
      }
      expect(JSON.parse(text)).toEqual(model);
      expect(keysOf(text).sort()).toEqual(Object.keys(model).sort());
    }
  });

  test.each(['[1]', '"x"', 'null', '{', ''])('that is %j is a corrupt record', (text) => {
    expect(() => normaliseData(text)).toThrow(expect.objectContaining({ code: 'RECORD_CORRUPT' }));
  });

  test('of other writers is brought into form, without keys __proto__', () => {
    expect(normaliseData('{ "a": {"__proto__": 1, "b": 2}, "__proto__": 3 }')).toBe('{\n"a":{"b":2}\n}');
    expect(normaliseData(' {} ')).toBe(EMPTY_DATA);
  });
});

test('an update sees the frozen present value and may remove the key', () => {
  const seen: unknown[] = [];
  const change = (answer: unknown) => ({
    kind: 'update' as const,
    key: 'b',
    change: (value: unknown) => {
      seen.push(Object.isFrozen(value));
      return answer;
    },
  });
  expect(JSON.parse(applyChange(lines, change(2)))).toMatchObject({ b: 2 });
  expect(JSON.parse(applyChange(lines, change(undefined)))).not.toHaveProperty('b');
  expect(seen).toEqual([true, true]);
});

test('a merge patch follows RFC 7396', () => {
  const table: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [['a'], { a: 1 }, { a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of table) expect(mergePatch(target, patch)).toEqual(result);
});

test('names are 1 to 255 bytes without control characters, and not __proto__', () => {
  for (const name of ['a', 'é'.repeat(127), '日本', 'a b/c']) expect(nameProblem(name)).toBeUndefined();
  for (const name of ['', 'é'.repeat(128), 'a\u0000', 'a\u007f', '__proto__', '\ud800', 7]) {
    expect(nameProblem(name)).toBeTypeOf('string');
  }
});

test('a value that JSON would lose is refused', () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const value of [undefined, Symbol('x'), () => 1, 1n, circle, JSON.parse('{"__proto__":1}')]) {
    expect(() => toJson('k', value)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
  }
  expect(toJson('k', 'say "__proto__": 1')).toBe('"say \\"__proto__\\": 1"');
});
