import type { OpenApiDocument } from './openapi.js';

type Schema = { readonly [key: string]: unknown };
type Schemas = Readonly<Record<string, Schema>>;

const PREFIX = '#/components/schemas/';

/**
 * The document with what `fields[…]` makes of its answers: an operation with such a parameter answers the whole resource, or one in which any member below
 * `attributes` and `relationships` may be missing.
 */
export function withSparse(document: OpenApiDocument): OpenApiDocument {
  const schemas = (document.components?.schemas ?? {}) as Schemas;
  const sparse: Record<string, Schema> = {};
  for (const [name, schema] of Object.entries(schemas)) {
    if (isObject(schema.properties) && 'attributes' in schema.properties)
      sparse[sparseName(name)] = sparseResource(schema, schemas);
  }
  const paths = Object.fromEntries(
    Object.entries(document.paths ?? {}).map(([path, item]) => [path, mapObject(item as Schema, withBoth)]),
  );

  function withBoth(operation: unknown): unknown {
    if (!isObject(operation) || !Array.isArray(operation.parameters)) return operation;
    if (!operation.parameters.some(({ name }) => String(name).startsWith('fields['))) return operation;
    const responses = operation.responses as Schemas;
    const whole = responses[200]?.content as { 'application/json': { schema: Schema } } | undefined;
    if (whole === undefined) return operation;
    const { schema } = whole['application/json'];
    const content = { 'application/json': { schema: { anyOf: [schema, renamed(schema)] } } };
    return { ...operation, responses: { ...responses, 200: { ...responses[200], content } } };
  }

  /** The same schema, of sparse resources. */
  function renamed(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(renamed);
    if (!isObject(value)) return value;
    const name = refOf(value);
    if (name !== undefined) return sparseName(name) in sparse ? { $ref: PREFIX + sparseName(name) } : value;
    return mapObject(value, renamed);
  }

  const components = { ...document.components, schemas: { ...schemas, ...sparse } };
  return { ...document, paths, components } as OpenApiDocument;
}

const sparseName = (name: string) => `${name}Fields`;

function sparseResource(schema: Schema, schemas: Schemas): Schema {
  const properties = mapObject(schema.properties as Schema, (member, name) =>
    name === 'attributes' || name === 'relationships' ? optional(member, schemas) : member,
  );
  const required = (schema.required as readonly string[] | undefined)?.filter(
    (name) => name !== 'attributes' && name !== 'relationships',
  );
  return { ...schema, properties, ...(required && { required }) };
}

/** Nothing in it is required any more, at any depth. */
function optional(value: unknown, schemas: Schemas): unknown {
  if (Array.isArray(value)) return value.map((each) => optional(each, schemas));
  if (!isObject(value)) return value;
  const name = refOf(value);
  if (name !== undefined) return optional(schemas[name], schemas);
  const { required, ...rest } = value;
  // Not a member that is called so.
  return mapObject(Array.isArray(required) ? rest : value, (member) => optional(member, schemas));
}

function refOf(schema: Schema): string | undefined {
  const { $ref } = schema;
  return typeof $ref === 'string' && $ref.startsWith(PREFIX) ? $ref.slice(PREFIX.length) : undefined;
}

function mapObject(value: Schema, map: (member: unknown, name: string) => unknown): Schema {
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, map(member, name)]));
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
