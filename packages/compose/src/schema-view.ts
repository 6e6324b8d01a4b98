import type { ConfigSchema } from '@sessionkit/session-core';
import * as z from 'zod';
import type { Path } from './problem.js';

/** As much of JSON Schema as messages are made from. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly description?: string;
}

const views = new WeakMap<ConfigSchema, { readonly schema: JsonSchema | undefined }>();

/** The JSON Schema of a configuration schema; undefined when its library cannot tell. */
export function jsonSchemaOf(schema: ConfigSchema): JsonSchema | undefined {
  const known = views.get(schema) ?? { schema: convert(schema) };
  views.set(schema, known);
  return known.schema;
}

function convert(schema: ConfigSchema): JsonSchema | undefined {
  const standard = schema['~standard'] as { jsonSchema?: { input?: (options: object) => unknown } };
  const options = { unrepresentable: 'any', io: 'input' } as const;
  try {
    if (schema instanceof z.core.$ZodType) return z.toJSONSchema(schema, options) as JsonSchema;
    return standard.jsonSchema?.input?.({
      target: 'draft-2020-12',
      libraryOptions: { unrepresentable: 'any' },
    }) as JsonSchema | undefined;
  } catch {
    // It only makes messages better; the validation itself does not need it.
    return undefined;
  }
}

function expand(schema: JsonSchema): readonly JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return inner.length === 0 ? [schema] : [schema, ...inner.flatMap(expand)];
}

/** Every schema that speaks of the value at `path`. */
export function schemasAt(root: JsonSchema | undefined, path: Path): readonly JsonSchema[] {
  let level = root === undefined ? [] : expand(root);
  for (const step of path) {
    const below = level.map((schema) => {
      if (typeof step === 'number') return schema.items;
      const own = schema.properties;
      return own !== undefined && Object.hasOwn(own, step) ? own[step] : schema.additionalProperties;
    });
    level = below.flatMap((schema) => (typeof schema === 'object' ? expand(schema) : []));
  }
  return level;
}

/** The keys that a map at `path` may have. */
export function keysAt(root: JsonSchema | undefined, path: Path): readonly string[] {
  return [...new Set(schemasAt(root, path).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  array: 'a list',
  object: 'a map of keys',
};

/** What may stand at `path`, in words: `true, false or "on_write"`. */
export function allowedAt(root: JsonSchema | undefined, path: Path): string | undefined {
  const words = new Set<string>();
  for (const schema of schemasAt(root, path)) {
    if (schema.const !== undefined) words.add(JSON.stringify(schema.const));
    else if (schema.enum !== undefined) for (const value of schema.enum) words.add(JSON.stringify(value));
    else if (schema.type === 'boolean') words.add('true').add('false');
    else if (typeof schema.type === 'string' && schema.type !== 'null')
      words.add(WORDS[schema.type] ?? schema.type);
  }
  if (words.size === 0) return undefined;
  return [...words].join(', ').replace(/, ([^,]*)$/, ' or $1');
}

/** `duration: 3600` and what it means, from the schema's own example and description. */
export function exampleAt(root: JsonSchema | undefined, path: Path): string | undefined {
  const key = path.at(-1);
  for (const schema of schemasAt(root, path)) {
    const { description } = schema;
    const example = schema.examples?.[0];
    if (example === undefined) continue;
    const value = flow(example);
    const text = typeof key === 'string' ? `${key}: ${value}` : value;
    return description === undefined
      ? `write for example \`${text}\``
      : `write for example \`${text}\` (${description})`;
  }
  return undefined;
}

/** A value as one writes it on one line of YAML. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`);
    return `{ ${pairs.join(', ')} }`;
  }
  return typeof value === 'string' && /^[A-Za-z./][\w./-]*$/.test(value) ? value : JSON.stringify(value);
}

/**
 * A value that came from an environment variable is text. Where only a number or a boolean may stand, and it reads as one, it becomes one.
 */
export function coerce(text: string, root: JsonSchema | undefined, path: Path): unknown {
  const schemas = schemasAt(root, path);
  const takesText = schemas.some(
    (schema) =>
      schema.const === text ||
      schema.enum?.includes(text) ||
      (schema.type === 'string' && schema.const === undefined && schema.enum === undefined),
  );
  if (takesText) return text;
  const types = new Set(schemas.flatMap((schema) => schema.type ?? typeof schema.const));
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  const number = types.has('number') || types.has('integer');
  return number && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
