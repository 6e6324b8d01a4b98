import type { Resource } from './collection.js';

type Members = Record<string, unknown>;

/** Members to show, as paths below `attributes` and `relationships`. Sorted, so that what is picked is. */
export type Fields = readonly (readonly string[])[];

/** Reads `a,b/c`; undefined when it names nothing. */
export function parseFields(text: string): Fields | undefined {
  const paths = text
    .split(',')
    .map((entry) => entry.split('/').filter((name) => name !== ''))
    .filter((path) => path.length > 0);
  if (paths.length === 0) return undefined;
  const key = (path: readonly string[]) => path.join('\0');
  return paths.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The resource with its id, type and links, and else with what `fields` name. */
export function pick(resource: Resource, fields: Fields): Resource {
  const { id, type, links } = resource;
  const attributes = pickFrom(resource.attributes, fields);
  const relationships = pickFrom(resource.relationships, fields);
  return {
    ...(attributes && { attributes }),
    id,
    ...(links === undefined ? {} : { links }),
    ...(relationships && { relationships }),
    type,
  };
}

function pickFrom(source: unknown, fields: Fields): Members | undefined {
  if (!isMembers(source)) return undefined;
  const target: Members = Object.create(null);
  for (const path of fields) take(target, source, path, 0);
  return Object.keys(target).length === 0 ? undefined : target;
}

function take(target: Members, source: Members, path: readonly string[], at: number): void {
  const name = path[at] ?? '';
  if (!Object.hasOwn(source, name)) return;
  const value = source[name];
  // Below an array or a single value nothing can be picked: it is shown whole.
  if (at === path.length - 1 || !isMembers(value)) {
    target[name] = value;
    return;
  }
  if (target[name] === value) return;
  target[name] ??= Object.create(null);
  take(target[name] as Members, value, path, at + 1);
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
