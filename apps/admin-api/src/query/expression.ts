import { AdminError } from '../errors.js';
import { compareText, jsonAt, sameJson } from './json.js';

type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
type Junction = 'and' | 'or' | 'not';

/** A condition on one value. */
export type Expression =
  | { readonly op: Comparison; readonly value: unknown }
  | { readonly op: Junction; readonly of: readonly Expression[] };

const COMPARISONS: ReadonlySet<string> = new Set<Comparison>(['eq', 'ne', 'lt', 'le', 'gt', 'ge']);
const JUNCTIONS: ReadonlySet<string> = new Set<Junction>(['and', 'or', 'not']);
const LITERALS: ReadonlySet<string> = new Set(['true', 'false', 'null']);
const MAX_DEPTH = 50;

/**
 * Reads `value := expr`, `expr := JSON | (eq|ne|lt|le|gt|ge)(JSON) | (and|or|not)(expr,…)`; a bare JSON value means `eq` of it. White space may stand before a
 * JSON value only.
 * @throws AdminError 400
 */
export function parseExpression(text: string): Expression {
  if (text === '') throw new AdminError(400, 'Empty filter expression');
  const { expression, end } = expressionAt(text, 0, 1);
  if (end < text.length) throw invalid('Unexpected trailing data: ', text.slice(end));
  return expression;
}

/** Values of different types are neither equal nor ordered; only numbers and texts have an order. */
export function holds(expression: Expression, value: unknown): boolean {
  switch (expression.op) {
    case 'eq':
      return sameJson(value, expression.value);
    case 'ne':
      return !sameJson(value, expression.value);
    case 'lt':
      return order(value, expression.value) < 0;
    case 'le':
      return order(value, expression.value) <= 0;
    case 'gt':
      return order(value, expression.value) > 0;
    case 'ge':
      return order(value, expression.value) >= 0;
    case 'and':
      return expression.of.every((each) => holds(each, value));
    case 'or':
      return expression.of.some((each) => holds(each, value));
    case 'not':
      return !expression.of.some((each) => holds(each, value));
  }
}

/** NaN, which compares as false with everything, for what has no order. */
function order(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  return Number.NaN;
}

interface Parsed {
  readonly expression: Expression;
  readonly end: number;
}

function expressionAt(text: string, start: number, depth: number): Parsed {
  if (depth > MAX_DEPTH)
    throw new AdminError(400, `A filter expression is nested deeper than ${MAX_DEPTH} levels.`);
  const word = /^[A-Za-z_]\w*/.exec(text.slice(start, start + 10))?.[0];
  if (word === undefined || LITERALS.has(word)) {
    const literal = jsonAt(text, start);
    if (literal === undefined) throw invalid('Not a valid filter expression: ', text.slice(start));
    return { expression: { op: 'eq', value: literal.value }, end: literal.end };
  }
  const end = start + word.length;
  if (COMPARISONS.has(word)) return comparisonAt(text, end, word as Comparison);
  if (JUNCTIONS.has(word)) return junctionAt(text, end, word as Junction, depth);
  throw invalid('Not a valid filter expression: ', text.slice(start));
}

function comparisonAt(text: string, start: number, op: Comparison): Parsed {
  const open = expect(text, start, '(');
  const literal = jsonAt(text, open);
  if (literal === undefined) throw invalid('Invalid JSON: ', text.slice(open));
  return { expression: { op, value: literal.value }, end: expect(text, literal.end, ')') };
}

function junctionAt(text: string, start: number, op: Junction, depth: number): Parsed {
  const of: Expression[] = [];
  let at = expect(text, start, '(');
  for (;;) {
    const { expression, end } = expressionAt(text, at, depth + 1);
    of.push(expression);
    if (text[end] !== ',') return { expression: { op, of }, end: expect(text, end, ')') };
    at = end + 1;
  }
}

function expect(text: string, at: number, char: string): number {
  if (text[at] === char) return at + 1;
  throw invalid(`Expected '${char}', got '`, text.slice(at), "'");
}

/** The rest of the text helps who wrote it; one that is long, or has something in it that could be a secret, is not repeated. */
function invalid(before: string, rest: string, after = ''): AdminError {
  const shown = rest.length <= 100 && !/[\w-]{33}/.test(rest) ? rest : '(not shown)';
  return new AdminError(400, `${before}${shown}${after}`);
}
