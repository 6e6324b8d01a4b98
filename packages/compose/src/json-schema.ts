import type { ModuleKind } from '@sessionkit/session-core';
import { KNOWN_TYPES, ModuleLoader } from './modules.js';
import type { ReadOptions } from './read.js';
import { folderOf } from './resolve.js';
import { fileSchema, MODULE_MARK } from './schema.js';
import { type JsonSchema, jsonSchemaOf } from './schema-view.js';

type Sections = ReadonlyMap<unknown, readonly JsonSchema[]>;

/**
 * JSON Schema (draft 2020-12) of the whole file, for editors: `# yaml-language-server: $schema=…`. Sections of modules that can be
 * resolved are described in full, those of others by their type alone.
 */
export async function configSchema(
  options: Pick<ReadOptions, 'resolveFrom' | 'conditions'> & { readonly folder?: string | undefined } = {},
): Promise<JsonSchema> {
  const places = [options.folder ?? process.cwd(), ...[options.resolveFrom ?? []].flat()].map(folderOf);
  const loader = new ModuleLoader(places, options.conditions ?? []);
  const sections = new Map<unknown, readonly JsonSchema[]>();
  for (const kind of Object.keys(KNOWN_TYPES) as ModuleKind[])
    sections.set(kind, await alternatives(kind, loader));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'SessionKit configuration',
    ...(rewrite(jsonSchemaOf(fileSchema), sections) as JsonSchema),
  };
}

async function alternatives(kind: ModuleKind, loader: ModuleLoader): Promise<readonly JsonSchema[]> {
  const word = kind === 'resource' ? '_class' : 'type';
  const known = await Promise.all(
    KNOWN_TYPES[kind].map(async (type): Promise<JsonSchema> => {
      const { module } = await loader.load(kind, type);
      const schema = module === undefined ? undefined : jsonSchemaOf(module.config);
      if (schema === undefined)
        return { type: 'object', properties: { [word]: { const: type } }, required: [word] };
      const { $schema: _, ...rest } = schema;
      return rewrite(rest, new Map()) as JsonSchema;
    }),
  );
  const other = { type: 'string', pattern: '[./]', description: 'a package or a file of your own' };
  return [...known, { type: 'object', properties: { [word]: other }, required: [word] }];
}

/** Puts the modules' schemas in the place of the marks, and lets `${NAME}` stand where a number or a boolean may. */
function rewrite(node: unknown, sections: Sections): unknown {
  if (Array.isArray(node)) return node.map((one) => rewrite(one, sections));
  if (typeof node !== 'object' || node === null) return node;
  const schema = node as JsonSchema;
  const { [MODULE_MARK]: kind, ...rest } = schema;
  const alternatives = sections.get(kind);
  if (kind !== undefined && alternatives !== undefined)
    return {
      anyOf: alternatives,
      ...(schema.description === undefined ? {} : { description: schema.description }),
    };
  const copy = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, key === 'examples' ? value : rewrite(value, sections)]),
  );
  const simple = ['number', 'integer', 'boolean'].some((type) => type === schema.type);
  if (!simple || schema.const !== undefined) return copy;
  const { description, examples, ...bare } = copy;
  return {
    ...(description === undefined ? {} : { description }),
    ...(examples === undefined ? {} : { examples }),
    anyOf: [bare, { type: 'string', pattern: '^\\$\\{[^}]*\\}$' }],
  };
}
