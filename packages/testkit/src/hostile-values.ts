/** Names that core lets through: 1 to 255 bytes, no control character, well-formed. Every backend keeps them byte for byte and tells them apart. */
export const NAMES: readonly string[] = [
  // Told apart by nobody but who compares bytes.
  'ann',
  'Ann',
  'ANN',
  'ann ',
  ' ann',
  'ann\u00a0',
  'ann\u200b',
  'ann\u200f',
  '\u202eann',
  'änn',
  'a\u0308nn',
  'ａｎｎ',
  'ɑnn',
  'straße',
  'strasse',
  'İ',
  'i\u0307',
  'ſ',
  's',
  '7',
  '007',
  '7.0',
  '1e3',
  '1000',
  '0x10',
  '-0',
  '0',
  'true',
  'null',
  'undefined',
  'NaN',
  // Patterns of LIKE, of globs, of regular expressions.
  '%',
  '_',
  'a_n',
  'a%',
  '\\_',
  '\\',
  '*',
  '?',
  'a*',
  '[a]nn',
  '[^x]*',
  '.*',
  '^ann$',
  // What quotes, ends or begins something for SQL, Lua, JSON, a shell, a format.
  "o'clock",
  "'",
  "''",
  '"',
  '""',
  '`',
  "' or '1'='1",
  "x'; drop table sessions; --",
  'x") /* */ --',
  '$1',
  '$$',
  ':name',
  '?1',
  ']]',
  ']=] return redis.call("FLUSHALL") --',
  '%s%n%d',
  '%00',
  '$PATH',
  '{{x}}',
  '<b>&amp;</b>',
  '../../etc/passwd',
  '{"a":1}',
  '[1,2]',
  '\\u0000',
  '\\n',
  // Separators and slots of keys.
  ':',
  'a:b',
  'a:b:c',
  'b:c',
  'ann:ended',
  'user:ann',
  '!',
  '{',
  '}',
  '{}',
  '{ann}',
  '}{',
  ' ',
  'a b',
  'ann!',
  // Members of every object.
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  // Other alphabets, more than one byte a character, the longest name.
  '東京',
  'العربية',
  '😀',
  '👩\u200d👩\u200d👧\u200d👦',
  '👩👩👧👦',
  '𝒳',
  '\ufeffann',
  '\uffff',
  '\u{10ffff}',
  '\ufffd',
  'x'.repeat(255),
  `${'x'.repeat(254)}y`,
  '😀'.repeat(63),
];

/** Names that core refuses. A backend that gets one all the same keeps it byte for byte or refuses it. */
export const REFUSED_NAMES: readonly string[] = [
  '',
  'ann\0',
  '\0',
  'a\0b',
  'ann\n',
  'line\nbreak',
  'car\rriage',
  'tab\t',
  '\u001b[31m',
  '\u007f',
  '\u0085',
  '\ud800',
  'ann\udc00',
  '\udc00\ud800',
  '__proto__',
  'x'.repeat(256),
  '0123456789'.repeat(1_000),
  '東'.repeat(3_000),
  `${'😀'.repeat(64)}`,
];

/** What is no name of any session and hits nobody. */
export const STRANGERS: readonly string[] = [
  'anN',
  'a%n',
  'an_',
  '%%',
  '**',
  '[ann]',
  'ann\u200e',
  "ann'--",
  'ANn ',
  '00',
];

const depth = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

/** Data that core can make, or that an application of the same store may have written: JSON objects. */
export const DATA: Readonly<Record<string, string>> = {
  'nothing in it': '{}',
  'one key a line': '{\n"cart":["book"],\n"n":1\n}',
  '200 kB': `{\n"big":"${'0123456789'.repeat(20_000)}"\n}`,
  '200 kB of one character of four bytes': `{\n"big":"${'😀'.repeat(50_000)}"\n}`,
  '500 levels deep': depth(500),
  'NUL, escaped': '{"a\\u0000b":"\\u0000"}',
  'half a surrogate pair, escaped': '{"a":"\\ud800","b":"\\udc00\\ud800"}',
  'numbers beyond 2^53': '{"a":9007199254740993,"b":12345678901234567890123,"c":-9007199254740993}',
  'numbers beyond every double': '{"a":1e400,"b":-1e400,"c":1e-400}',
  'minus nothing, and noughts': '{"a":-0,"b":1.0,"c":1.10,"d":0.1e1,"e":1E+2}',
  'the order of the keys': '{"b":1,"a":2,"10":3,"9":4,"":5}',
  'a key twice': '{"a":1,"a":2}',
  spaces: '{ "a" :\t1 ,\r\n"b" : [ ] }\n',
  'escapes that need not be': '{"\\u0061":"\\/\\u00e9","b":"é"}',
  'composed and decomposed letters': '{"é":1,"e\u0301":2}',
  'marks of direction, and separators of lines': '{"\u202e":"\u200f","\u2028":"\u2029"}',
  'members of every object': '{"__proto__":{"admin":true},"constructor":1,"toString":2}',
  'what SQL, Lua and formats read': `{"'":"'; drop table sessions; --","]]":"]=]","%s":"%n$1?:x"}`,
  'what is written like data of ours': '{"sid":"x","ended":[1,"logout"],"head":"[1,2"}',
};

/** What is no data of core's: kept byte for byte, or refused. */
export const REFUSED_DATA: Readonly<Record<string, string>> = {
  'of 0 bytes': '',
  'no JSON': '{"a":',
  'no JSON at all': 'ann\'"; drop table sessions; --',
  'no object': '[1,2]',
  null: 'null',
  'NUL, raw': '{"a":"\0"}',
  'half a surrogate pair, raw': '{"a":"\ud800"}',
  'a line break in a text': '{"a":"\n"}',
  '100,000 levels deep': depth(100_000),
};

const ALPHABETS: readonly (readonly string[])[] = [
  [...'abnAN '],
  [...'01.e-'],
  [...'\'"`\\%_*?[]^$'],
  [...':!{}| /'],
  ['ä', 'a\u0308', 'é', 'e\u0301', 'ß', 'ſ', 'İ', '\u200b', '\u200f', '\u202e'],
  ['😀', '東', 'ع', '\u{10ffff}', '\ufffd', '\uffff', '\u2028'],
  ['or ', '--', '$x', '$1', '%s', ']]', '\\u0000', '__proto__', 'null', '{}'],
];

/** Numbers from 0 to 1 that depend on the seed alone (xorshift32). */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const pick = <T>(random: () => number, from: readonly T[]): T =>
  from[Math.floor(random() * from.length)] as T;

/** A name that core lets through, short enough to meet its like. */
export function randomName(random: () => number): string {
  const pieces = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
    pick(random, pick(random, ALPHABETS)),
  );
  const name = pieces.join('');
  return name === '__proto__' ? 'proto' : name;
}

/** JSON text of an object as somebody else may have written it: whatever its layout, numbers and escapes. */
export function randomData(random: () => number): string {
  const blank = () => pick(random, ['', '', ' ', '\n', '\t', '\r\n']);
  const number = () =>
    pick(random, ['-', '']) +
    Math.floor(random() * 10 ** Math.floor(random() * 17)) +
    pick(random, ['', '.0', '.50', 'e5', 'E-400', 'e+400', '000']);
  const text = () =>
    random() < 0.3
      ? pick(random, ['"\\u0000"', '"\\ud83d"', '"\\/"', '"\\u0061"'])
      : JSON.stringify(randomName(random));
  const value = (levels: number): string => {
    const kind = Math.floor(random() * (levels > 3 ? 4 : 6));
    if (kind === 0) return number().replace(/^(-?)0+(?=\d)/, '$1');
    if (kind === 1) return pick(random, ['true', 'false', 'null']);
    if (kind < 4) return text();
    const many = Array.from({ length: Math.floor(random() * 4) });
    if (kind === 4) return `[${many.map(() => `${blank()}${value(levels + 1)}${blank()}`).join(',')}]`;
    return `{${many.map(() => `${blank()}${text()}${blank()}:${blank()}${value(levels + 1)}`).join(',')}${blank()}}`;
  };
  const members = Array.from(
    { length: Math.floor(random() * 5) },
    () => `${blank()}${text()}:${value(0)}${blank()}`,
  );
  return `{${members.join(',')}}`;
}
