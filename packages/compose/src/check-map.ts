import * as z from 'zod';
import { describe, reportIssues } from './issues.js';
import { formatPath, type Path } from './problem.js';
import type { Report } from './report.js';
import { coerce, jsonSchemaOf, keysAt } from './schema-view.js';
import { didYouMean } from './suggest.js';

export type Fields = Readonly<Record<string, unknown>>;

/** The map at `path`; undefined after telling what stands there instead. */
export function asMap(value: unknown, path: Path, report: Report, fix: string): Fields | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  const what = path.length === 0 ? 'the file must' : 'must';
  report.problem(path, `${what} be a map of keys, not ${describe(value, true)}`, fix);
  return undefined;
}

/**
 * Checks a map key by key, so that one bad value hides no other: answers the good ones and reports the rest.
 */
export function checkMap<S extends z.core.$ZodLooseShape>(
  object: z.ZodObject<S>,
  value: Fields,
  path: Path,
  report: Report,
): Partial<z.output<z.ZodObject<S>>> {
  const schema = jsonSchemaOf(object);
  const known = keysAt(schema, []);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    report.problem([...path, key], 'this key is not known here', didYouMean(key, known, 'known keys'));
  }
  coerceSubstituted(value, path, schema, report);
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries<z.core.$ZodType>(object.shape)) {
    const own = Object.hasOwn(value, key) ? value[key] : undefined;
    const checked = z.safeParse(field, own);
    if (checked.success) {
      if (checked.data !== undefined) result[key] = checked.data;
      continue;
    }
    const issues = checked.error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }));
    reportIssues(
      issues,
      { value, path, schema, fix: 'see the README of @sessionkit/compose', discreet: false },
      report,
    );
  }
  return result as Partial<z.output<z.ZodObject<S>>>;
}

/** Makes numbers and booleans of what `${NAME}` left as text below `path`, where the schema wants them. */
export function coerceSubstituted(
  value: Fields,
  path: Path,
  schema: ReturnType<typeof jsonSchemaOf>,
  report: Report,
): void {
  const start = formatPath(path);
  for (const at of report.substituted.values()) {
    if (at.length <= path.length || formatPath(at.slice(0, path.length)) !== start) continue;
    const below = at.slice(path.length);
    let parent: unknown = value;
    for (const key of below.slice(0, -1))
      parent = (parent as Record<string | number, unknown> | undefined)?.[key];
    const last = below.at(-1);
    if (typeof parent !== 'object' || parent === null || last === undefined) continue;
    // The tree of values is made for this reading and nobody else holds it.
    const holder = parent as Record<string | number, unknown>;
    const text = holder[last];
    if (typeof text === 'string') holder[last] = coerce(text, schema, below);
  }
}
