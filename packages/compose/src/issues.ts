import { formatPath, type Path } from './problem.js';
import type { Report } from './report.js';
import { allowedAt, exampleAt, type JsonSchema, keysAt } from './schema-view.js';
import { didYouMean } from './suggest.js';

/** What a validator answers: Standard Schema's issue, with the members that zod adds. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly code?: string | undefined;
  readonly keys?: readonly string[] | undefined;
  readonly errors?: readonly (readonly Issue[])[] | undefined;
  readonly values?: readonly unknown[] | undefined;
  readonly minimum?: number | bigint | undefined;
  readonly maximum?: number | bigint | undefined;
  readonly inclusive?: boolean | undefined;
  readonly origin?: string | undefined;
  readonly expected?: string | undefined;
  readonly params?: { readonly fix?: unknown } | undefined;
}

/** A section of the file as its schema judged it. */
export interface Judged {
  readonly value: unknown;
  readonly path: Path;
  readonly schema: JsonSchema | undefined;
  /** What to do when the schema itself says nothing about it. */
  readonly fix: string;
  /** Values may be secrets (a password in the wrong place): messages tell their type only. */
  readonly discreet: boolean;
}

/** Turns the issues of a validator into problems. */
export function reportIssues(issues: readonly unknown[], judged: Judged, report: Report): void {
  for (const issue of issues) reportIssue(issue as Issue, [], judged, report);
}

function reportIssue(issue: Issue, prefix: Path, judged: Judged, report: Report): void {
  const path = [...prefix, ...(issue.path ?? []).map(step)];
  const at = [...judged.path, ...path];
  const value = valueAt(judged.value, path);
  const discreet = judged.discreet || report.fromVariables.has(formatPath(at));
  if (issue.code === 'unrecognized_keys' && issue.keys !== undefined) {
    const known = keysAt(judged.schema, path);
    for (const key of issue.keys) {
      const fix = known.length === 0 ? judged.fix : didYouMean(key, known, 'known keys');
      report.problem([...at, key], 'this key is not known here', fix);
    }
    return;
  }
  if (issue.code === 'invalid_union') {
    const inner = meant(issue.errors ?? []);
    if (inner !== undefined) {
      for (const one of inner) reportIssue(one, path, judged, report);
      return;
    }
  }
  const example = exampleAt(judged.schema, path) ?? judged.fix;
  if (issue.code === 'custom' || issue.code === undefined) {
    const [message, fix] = own(issue);
    const hide = hider(value, discreet);
    report.problem(at, hide(message), fix === undefined || hide(fix) !== fix ? example : fix);
    return;
  }
  if (value === undefined) {
    const key = path.at(-1);
    const fix = example.startsWith('write for example') ? example.replace('write', 'add') : example;
    report.problem(at, typeof key === 'number' ? 'an entry is missing' : 'this key is missing', fix);
    return;
  }
  const counted =
    Array.isArray(value) || typeof value === 'string' || (discreet && typeof value === 'number');
  const size = /^too_/.test(issue.code) && counted;
  const found = size ? '' : `, not ${describe(value, discreet)}`;
  report.problem(at, `${sentence(issue, path, judged)}${found}`, example);
}

/** The words of a module. What follows the last ": " says what to do, unless the issue has a member for that. */
function own({ message, params }: Issue): [message: string, fix: string | undefined] {
  if (typeof params?.fix === 'string') return [message, params.fix];
  const split = message.lastIndexOf(': ');
  return split === -1 ? [message, undefined] : [message.slice(0, split), message.slice(split + 2)];
}

/** Takes a value that may be a secret out of a text. */
function hider(value: unknown, discreet: boolean): (text: string) => string {
  if (!discreet || typeof value !== 'string' || value.length < 4) return (text) => text;
  return (text) => text.replaceAll(JSON.stringify(value), 'this').replaceAll(value, '…');
}

/** What is required, as in "must be …". Falls back on the validator's own words. */
function sentence(issue: Issue, path: Path, judged: Judged): string {
  const count = { string: ' characters', array: ' entries' }[issue.origin ?? ''] ?? '';
  switch (issue.code) {
    case 'too_small':
      if (count !== '') return `must have at least ${issue.minimum}${count}`;
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      if (count !== '') return `must have at most ${issue.maximum}${count}`;
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'invalid_value':
    case 'invalid_union':
    case 'invalid_type': {
      const allowed = allowedAt(judged.schema, path);
      if (allowed !== undefined) return `must be ${issue.expected === 'int' ? 'a whole number' : allowed}`;
    }
  }
  return issue.message;
}

/** Of the alternatives of a union, the one whose kind of value was written: its issues are the useful ones. */
function meant(alternatives: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const close = alternatives.filter((issues) =>
    issues.every(({ code, path }) =>
      code !== 'invalid_type' && code !== 'invalid_value' ? true : path?.length !== 0,
    ),
  );
  return close.length === 1 ? close[0] : undefined;
}

const step = (part: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof part === 'object' ? part.key : part;
  return typeof key === 'symbol' ? String(key) : key;
};

function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[key];
  }
  return found;
}

/** A value in words, for "must be …, not …". */
export function describe(value: unknown, discreet: boolean): string {
  if (value === null || value === '') return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map of keys';
  if (typeof value === 'boolean') return String(value);
  if (discreet) return typeof value === 'string' ? 'text' : 'a number';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
