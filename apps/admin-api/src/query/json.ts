/** Text that JSON allows around values (RFC 8259 section 2). */
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const WORD = /[-+.\w]+/y;
const NUMBER = /-?\d[-+.\w]*/g;
const MAX_INTEGER = 2n ** 63n - 1n;
const MIN_INTEGER = -(2n ** 63n);

/** One JSON value that begins at `from`, and where it ends; undefined when there is none. Numbers beyond 64 bits are none. */
export function jsonAt(
  text: string,
  from: number,
): { readonly value: unknown; readonly end: number } | undefined {
  const start = endOf(SPACE, text, from) ?? from;
  const end = endOfValue(text, start);
  if (end === undefined) return undefined;
  const literal = text.slice(start, end);
  try {
    const value: unknown = JSON.parse(literal);
    return hasNumbersInRange(literal) ? { value, end } : undefined;
  } catch {
    return undefined;
  }
}

/** Equal in JSON: the order of members does not count, and 1 is 1.0. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [entries, others] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    entries.length === others.size &&
    entries.every(([key, value]) => others.has(key) && sameJson(value, others.get(key)))
  );
}

/** Order of texts by the bytes of their UTF-8, which is that of their code points. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all that fit into one unit. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Only where it would end: whether it is one at all, the parser says. */
function endOfValue(text: string, start: number): number | undefined {
  const first = text[start];
  if (first === '"') return endOf(STRING, text, start);
  if (first !== '{' && first !== '[') return endOf(WORD, text, start);
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = (endOf(STRING, text, at) ?? text.length) - 1;
    else if (char === '{' || char === '[') depth++;
    else if ((char === '}' || char === ']') && --depth === 0) return at + 1;
  }
  return undefined;
}

function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function hasNumbersInRange(literal: string): boolean {
  const numbers = literal.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(NUMBER) ?? [];
  return numbers.every((number) => {
    if (!/^-?\d+$/.test(number)) return Number.isFinite(Number(number));
    const integer = BigInt(number);
    return integer <= MAX_INTEGER && integer >= MIN_INTEGER;
  });
}
