import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { configSchema } from '@sessionkit/compose';
import { root } from './blocks.js';
import { installAll } from './packages.js';

/** As much of JSON Schema as the tables are made from. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** A key of the configuration. */
interface Row {
  /** Keys from the section on: `fields.ip`. */
  readonly path: readonly string[];
  readonly schema: Schema;
  readonly required: boolean;
}

const MARK =
  /<!-- options( of \w+)?: made by `npm run options` -->\n(?:[\s\S]*?\n)??<!-- end of the options -->/g;
const MIB = 1_048_576;
/** Bounds beyond it are no advice to anybody: a hundred years, for times. */
const MOST = 1_000_000_000;

/** Names in code that are not those of the YAML in camel case, by the first key. */
const IN_CODE: Readonly<Record<string, string>> = {
  cookie_name: 'name',
  cookie_options: 'options',
  fields: 'names',
  key_ns: 'prefix',
  key_prefix: 'prefix',
  prepared_statements: 'prepared',
  sid_field: 'names.sid',
};

/** The schema of the whole file, with the sections of all modules: what `sessionkit schema` prints. */
export async function wholeSchema(): Promise<Schema> {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.document-'));
  try {
    installAll(folder);
    return (await configSchema({ folder, conditions: ['@sessionkit/source'] })) as Schema;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `text` of a README with the tables in their places. @throws Error when a place is for options that there are not. */
export function withOptions(folder: string, text: string, whole: Schema): string {
  return text.replace(MARK, (_, of: string | undefined) => {
    const what = of?.slice(' of '.length);
    const rows = rowsOf(sectionOf(folder, what, whole));
    if (rows.length === 0)
      throw new Error(`${folder}: the schema has no options of ${what ?? 'this module'}: can it be loaded?`);
    const codes = what === undefined || what === 'admin' ? membersOf(folder) : undefined;
    const table = tableOf(what === 'keys' ? rows.filter(({ path }) => path.length === 1) : rows, codes);
    return `<!-- options${of ?? ''}: made by \`npm run options\` -->\n${table}\n<!-- end of the options -->`;
  });
}

/** How many tables a README has a place for. */
export const placesIn = (text: string): number => [...text.matchAll(MARK)].length;

/** The section that a table is of: of the package's own module, of its `resource`, of the whole `file` or its first `keys`, or of one of these. */
function sectionOf(folder: string, what: string | undefined, whole: Schema): Schema {
  if (what === 'file' || what === 'keys') return whole;
  const [, kind = '', type = ''] = /^packages\/(backend|transport|filter|router)-(.*)$/.exec(folder) ?? [];
  const { session, services, filters, resources } = whole.properties ?? {};
  const places: Readonly<Record<string, Schema | undefined>> = {
    backend: within(session, 'backend'),
    transport: within(session, 'transport'),
    filter: valuesOf(filters),
    router: within(valuesOf(services), 'router'),
    resource: valuesOf(resources),
  };
  const section =
    what === undefined || what === 'resource'
      ? alternatives(places[what ?? kind]).find(({ properties: { type: one, _class } = {} }) =>
          [one?.const, _class?.const].includes(type),
        )
      : whole.properties?.[what];
  if (section === undefined)
    throw new Error(
      `${folder}: the schema has no options of ${what ?? 'this module'}: is it in KNOWN_TYPES (packages/compose/src/modules.ts)?`,
    );
  return section;
}

const within = (schema: Schema | undefined, name: string) => mapOf(schema)?.properties?.[name];
const valuesOf = (schema: Schema | undefined) => {
  const values = mapOf(schema)?.additionalProperties;
  return typeof values === 'object' ? values : undefined;
};
/** The map among the alternatives. */
const mapOf = (schema: Schema | undefined) => alternatives(schema).find(({ type }) => type === 'object');

/** What may stand there, without what stands for an environment variable, and without nothing. */
function alternatives(schema: Schema | undefined): readonly Schema[] {
  if (schema === undefined) return [];
  const all = schema.anyOf?.flatMap(alternatives) ?? [schema];
  return all.filter(({ type, pattern }) => type !== 'null' && !pattern?.startsWith('^\\$\\{'));
}

const isSection = (schema: Schema) => {
  const { type, _class } = schema.properties ?? {};
  return (type ?? _class) !== undefined;
};

function rowsOf(schema: Schema, path: readonly string[] = []): readonly Row[] {
  const map = mapOf(schema);
  return Object.entries(map?.properties ?? {}).flatMap(([key, inner]) => {
    if (path.length === 0 && (key === '_class' || (key === 'type' && inner.const !== undefined))) return [];
    const own = { path: [...path, key], schema: inner, required: map?.required?.includes(key) ?? false };
    const [below, beneath] = contentOf(inner, own.path);
    // What a service says of sessions has the keys of `session` at the top.
    const told = alternatives(below).some(isSection) || (key === 'session' && path.length > 0);
    return [own, ...(told ? [] : rowsOf(below, beneath))];
  });
}

/** Whose members are rows of their own, and under which keys: of a map by name those of its values, of a list those of its entries. */
function contentOf(schema: Schema, path: readonly string[]): readonly [Schema, readonly string[]] {
  const values = valuesOf(schema);
  if (values !== undefined) return [values, [...path, 'NAME']];
  const items = alternatives(schema).find((one) => one.items !== undefined)?.items;
  return items === undefined ? [schema, path] : [items, [...path.slice(0, -1), `${path.at(-1)}[]`]];
}

/** The table, as Markdown. `codes`: members of the options in code, for a column of these. */
function tableOf(rows: readonly Row[], codes: ReadonlySet<string> | undefined): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['YAML', ...(codes === undefined ? [] : ['in code']), 'type', 'default', 'meaning'];
  const body = rows.map((row) => {
    const { meaning, usual } = told(row);
    const code = codes === undefined ? [] : [inCode(row.path, codes)];
    return [`\`${row.path.join('.')}\``, ...code, typeOf(row.schema), usual, meaning].map((cell) =>
      cell.replaceAll('|', '\\|'),
    );
  });
  return [line(head), `|${'---|'.repeat(head.length)}`, ...body.map(line)].join('\n');
}

/** The sentence about a key, and its default: that of the schema, or what the sentence says behind `Default`. */
function told({ path, schema, required }: Row): { readonly meaning: string; readonly usual: string } {
  const all = [schema, ...alternatives(schema)];
  const given = all.find(({ description }) => description !== undefined)?.description;
  const standard = all.find((each) => each.default !== undefined)?.default;
  if (given === undefined) throw new Error(`${path.join('.')} has no description`);
  const [, text = '', said = ''] = /^(.*?)(?:(?:^|[.;] )[Dd]efault:? (.*))?$/s.exec(given) ?? [];
  const meaning = `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) || text === '' ? '' : '.'}`;
  if (said !== '') return { meaning, usual: said.replace(/\.$/, '') };
  if (required) return { meaning, usual: 'required' };
  if (standard === undefined || isEmpty(standard)) return { meaning, usual: '' };
  return { meaning, usual: shown(standard) };
}

const isEmpty = (value: unknown) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return typeof value === 'number' && value >= MIB && value % MIB === 0
    ? `\`${text}\` (${value / MIB} MiB)`
    : `\`${text}\``;
}

function inCode(path: readonly string[], codes: ReadonlySet<string>): string {
  const [first = '', ...rest] = path;
  if (first === 'resource') return 'the client, first';
  const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const name = [IN_CODE[first] ?? camel(first), ...rest.map(camel)].join('.');
  return codes.has(name.split('.')[0] ?? '') ? `\`${name}\`` : '';
}

/** Members of the interfaces of options that a package exports. */
export function membersOf(folder: string): ReadonlySet<string> {
  // A program is not imported.
  if (!existsSync(join(root, folder, 'src', 'index.ts'))) return new Set();
  const source = (name: string) => readFileSync(join(root, folder, 'src', name), 'utf8');
  const names = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' });
  const declared = names
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [
      ...source(name).matchAll(/^export interface (\w*Options)\b([^{]*)\{\n([\s\S]*?)\n\}/gm),
    ]);
  const exported = new Set(source('index.ts').match(/\b\w*Options\b/g));
  for (const [, name = '', above = ''] of declared)
    if (exported.has(name)) for (const [base] of above.matchAll(/\b\w*Options\b/g)) exported.add(base);
  const bodies = declared.filter(([, name = '']) => exported.has(name)).map(([, , , body = '']) => body);
  return new Set(
    bodies.flatMap((body) =>
      [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name = '']) => name),
    ),
  );
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'boolean',
  integer: 'whole number',
  number: 'number',
  object: 'map',
};

function typeOf(schema: Schema): string {
  const all = alternatives(schema);
  if (all.some(isSection)) return 'section';
  return [...new Set(all.map(oneType))].join(', ');
}

function oneType(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.items !== undefined) {
    const inner = typeOf(schema.items);
    return `list of ${inner}${/^[a-z]+$/.test(inner) ? 's' : ''}`;
  }
  if (typeof schema.additionalProperties === 'object') return 'map by name';
  return `${WORDS[schema.type ?? ''] ?? 'any'}${boundsOf(schema)}`;
}

function boundsOf({ minimum, maximum, exclusiveMinimum }: Schema): string {
  const least = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const most = maximum === undefined || maximum > MOST ? undefined : maximum;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}`;
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return ` from ${least}`;
  return most === undefined ? '' : ` up to ${most}`;
}
