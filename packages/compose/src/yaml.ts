import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { formatPath, type Path } from './problem.js';
import type { Report } from './report.js';
import { substitute, type Variables } from './variables.js';

/** Values a file may hold once its aliases are followed: far above any real one, far below an alias bomb. */
const MOST_VALUES = 50_000;
const DEEPEST = 100;

const FIXES: Partial<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces: YAML allows no tabs there',
  MULTIPLE_DOCS: 'keep one document: remove what follows the "---"',
  BAD_INDENT: 'indent the keys of one map by the same number of spaces, and close every [ and {',
  BLOCK_AS_IMPLICIT_KEY: 'put a value that contains ": " into quotes',
  BAD_SCALAR_START: 'put the value into quotes',
  MISSING_CHAR: 'add what is missing: a ":" after a key, a closing quote, ] or }',
  UNEXPECTED_TOKEN: 'put text that contains { } [ ] , # & * into quotes',
  MULTILINE_IMPLICIT_KEY: 'write each key on one line, followed by ":"',
  BAD_DQ_ESCAPE: 'use single quotes around text with a backslash, or write \\\\',
};

interface Problem {
  readonly error: Pick<YAMLError, 'code' | 'message' | 'pos'>;
}

/**
 * Reads YAML 1.2 into plain values and notes where each of them stands. Refuses what a configuration has no use for (several documents, tags,
 * keys that are no text, `__proto__`) and puts environment variables into the text values.
 *
 * Undefined when the text is not YAML at all; then nothing more can be said about it.
 */
export function readYaml(text: string, variables: Variables, report: Report): unknown {
  const lines = new LineCounter();
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  let document: Document.Parsed;
  try {
    document = parseDocument(source, { uniqueKeys: false, lineCounter: lines, prettyErrors: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    report.problem([], 'the file is nested too deeply to be read', 'write it flatter');
    return undefined;
  }
  const found: Problem[] = [...document.errors, ...document.warnings].map((error) => ({ error }));
  const seen = new Set<number>();
  for (const { error } of found) {
    const { line, col } = lines.linePos(error.pos[0]);
    // One slip makes the parser stumble several times over the same line.
    if (seen.has(line)) continue;
    seen.add(line);
    const content = source.split('\n', line)[line - 1] ?? '';
    const [message, fix] = explain(error, content);
    report.problems.push({ path: '', line, column: col, code: 'CONFIG_INVALID', message, fix });
  }
  if (found.length > 0) return undefined;
  const before = report.problems.length;
  const walk = new Walk(document, lines, variables, report);
  const value = walk.node(document.contents, []);
  if (walk.full) return undefined;
  if (value === null && report.problems.length === before) {
    report.problem([], 'the file is empty', 'name at least one service under `services:`');
    return undefined;
  }
  return value;
}

function explain(error: Problem['error'], line: string): [message: string, fix: string] {
  const message = `not valid YAML: ${error.message.split('\n')[0]}`;
  if (line.trim() === '...')
    return ['"..." is no YAML here', 'remove the line: in the documentation it means "and so on"'];
  if (error.code === 'TAG_RESOLVE_FAILED')
    return [
      error.message.replace('Unresolved tag:', 'there is no meaning here for the tag'),
      'remove the tag: a plain value is enough',
    ];
  if (error.code === 'MULTIPLE_DOCS')
    return ['the file holds more than one YAML document', FIXES.MULTIPLE_DOCS ?? ''];
  if (/\$\{/.test(line) && error.code === 'UNEXPECTED_TOKEN')
    return [message, `inside { } and [ ] put \${…} into quotes: "\${NAME}"`];
  return [message, FIXES[error.code] ?? 'correct the YAML of this line'];
}

class Walk {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #variables: Variables;
  readonly #report: Report;
  readonly #open = new Set<Node>();
  #count = 0;
  /** The file holds more than is read: what was read of it tells nothing. */
  full = false;

  constructor(document: Document.Parsed, lines: LineCounter, variables: Variables, report: Report) {
    this.#document = document;
    this.#lines = lines;
    this.#variables = variables;
    this.#report = report;
  }

  node(node: unknown, path: Path): unknown {
    if (node === null || node === undefined || this.full) return null;
    if (++this.#count > MOST_VALUES) {
      this.full = true;
      this.#report.problem([], `the file holds more than ${MOST_VALUES} values`, 'use fewer aliases (*name)');
      return null;
    }
    if (isAlias(node)) return this.#alias(node, path);
    if (isScalar(node)) return this.#scalar(node.value, path);
    if (path.length > DEEPEST) {
      this.full = true;
      this.#report.problem([], `the file is nested more than ${DEEPEST} levels deep`, 'write it flatter');
      return null;
    }
    const collection = node as Node;
    this.#open.add(collection);
    const value = isSeq(node) ? this.#list(node, path) : isMap(node) ? this.#map(node, path) : null;
    this.#open.delete(collection);
    return value;
  }

  #list(list: YAMLSeq, path: Path): unknown[] {
    return list.items.map((item, index) => {
      const at = [...path, index];
      this.#note(item, at);
      return this.node(item, at);
    });
  }

  #note(node: unknown, path: Path): void {
    const range = (node as Node | null)?.range;
    if (!range) return;
    const { line, col } = this.#lines.linePos(range[0]);
    this.#report.positions.set(formatPath(path), { line, column: col });
  }

  #alias(alias: Alias, path: Path): unknown {
    const target = alias.resolve(this.#document);
    if (target === undefined) {
      this.#report.unreadable(
        path,
        `no anchor &${alias.source} stands before the alias *${alias.source}`,
        'define the anchor first, or put the text into quotes',
      );
      return null;
    }
    if (this.#open.has(target)) {
      this.#report.unreadable(path, `the alias *${alias.source} contains itself`, 'write the value out');
      return null;
    }
    return this.node(target, path);
  }

  #scalar(value: unknown, path: Path): unknown {
    if (typeof value !== 'string') return value;
    const { text, whole, values, problems } = substitute(value, this.#variables);
    for (const put of values) this.#report.hide(put);
    if (problems.length > 0) {
      const join = (part: 'message' | 'fix') => problems.map((problem) => problem[part]).join('; ');
      this.#report.unreadable(path, join('message'), join('fix'));
    }
    if (text !== value) this.#report.fromVariables.add(formatPath(path));
    if (whole) this.#report.substituted.set(formatPath(path), path);
    return text;
  }

  #map(map: YAMLMap, path: Path): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const merges: Pair[] = [];
    for (const pair of map.items) {
      const key = this.#key(pair, path);
      if (key === undefined) continue;
      if (key === '<<') {
        merges.push(pair);
        continue;
      }
      const at = [...path, key];
      if (Object.hasOwn(result, key)) {
        const first = this.#report.position(at);
        this.#note(pair.key, at);
        this.#report.problem(
          at,
          `this key stands here a second time; the first is on line ${first?.line}`,
          'remove one of the two',
        );
        continue;
      }
      this.#note(pair.key, at);
      result[key] = this.node(pair.value, at);
    }
    for (const pair of merges) this.#merge(pair, result, path);
    return result;
  }

  #key(pair: Pair, path: Path): string | undefined {
    const { key } = pair;
    const text = isScalar(key) && key.value !== null ? String(key.source ?? key.value) : undefined;
    if (text !== undefined && text !== '__proto__') return text;
    const at = [...path, text ?? '?'];
    this.#note(key, at);
    if (text === undefined) this.#report.problem(at, 'a key must be text', 'write a name before the ":"');
    else this.#report.problem(at, '"__proto__" is not allowed as a key', 'choose another name');
    return undefined;
  }

  /** `<<: *name` or `<<: [*a, *b]`: keys of the map itself win, then those of the earlier ones. A map that is named may itself name others. */
  #merge(pair: Pair, result: Record<string, unknown>, path: Path): void {
    const sources = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const source of sources) {
      const target = isAlias(source) ? source.resolve(this.#document) : source;
      if (!isMap(target) || this.#open.has(target)) {
        const at = [...path, '<<'];
        this.#note(pair.key, at);
        this.#report.problem(at, '"<<" must name a map', 'write `<<: *name` with `&name` on a map before it');
        continue;
      }
      if (this.full) return;
      this.#count += 1;
      this.#open.add(target);
      const merges: Pair[] = [];
      for (const inner of target.items) {
        const key = this.#key(inner, path);
        if (key === '<<') merges.push(inner);
        if (key === undefined || key === '<<' || Object.hasOwn(result, key)) continue;
        const at = [...path, key];
        this.#note(inner.key, at);
        result[key] = this.node(inner.value, at);
      }
      for (const inner of merges) this.#merge(inner, result, path);
      this.#open.delete(target);
    }
  }
}
