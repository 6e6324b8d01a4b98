/** A step from a value to values inside it. */
export type Step =
  /** A member of an object; `index`: or else an element of an array, when it is a number. */
  | { readonly kind: 'name'; readonly name: string; readonly index: boolean }
  /** Elements of an array. */
  | { readonly kind: 'elements'; readonly at: readonly number[] }
  /** All members or elements. */
  | { readonly kind: 'all' };

/** Reads `/a/0/b`. The first slash may be missing, repeated ones are one, and nothing is escaped. */
export function parsePointer(text: string): readonly Step[] {
  return text
    .split('/')
    .filter((name) => name !== '')
    .map((name) => ({ kind: 'name', name, index: true }));
}

const FIRST_NAME = /([^.[\]$'"*][^.[\]]*)/y;
const STEP = /\.(?:(\*)|([^.[\]]+))|\[(?:(\*)|'([^']*)'|(\d+(?:,\d+)*)(?::\d*)?)\]/y;

/**
 * Reads `$.a['b'][0,1][*].*`, with or without `$`; a slice counts as its first element.
 * @returns undefined for anything else: it matches nothing.
 */
export function parsePath(text: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  let at = text.startsWith('$') ? 1 : 0;
  if (at === 0) {
    FIRST_NAME.lastIndex = 0;
    const name = FIRST_NAME.exec(text)?.[1];
    if (name !== undefined) {
      steps.push({ kind: 'name', name, index: false });
      at = name.length;
    } else if (!text.startsWith('[')) return undefined;
  }
  while (at < text.length) {
    STEP.lastIndex = at;
    const found = STEP.exec(text);
    if (found === null) return undefined;
    steps.push(stepOf(found));
    at = STEP.lastIndex;
  }
  return steps;
}

/** All values that the steps lead to. */
export function select(steps: readonly Step[], from: unknown): readonly unknown[] {
  let values: readonly unknown[] = [from];
  for (const step of steps) {
    if (values.length === 0) return values;
    values = values.length === 1 ? inside(values[0], step) : values.flatMap((value) => inside(value, step));
  }
  return values;
}

/** One way of writing for all paths that lead to the same place. */
export function placeOf(steps: readonly Step[]): string {
  return steps
    .map((step) => {
      if (step.kind === 'all') return '*';
      if (step.kind === 'elements') return step.at.join(',');
      return step.index && /^0+$/.test(step.name) ? '0' : step.name;
    })
    .join('/');
}

function stepOf([, star, name, stars, quoted, numbers]: RegExpExecArray): Step {
  if (star !== undefined || stars !== undefined) return { kind: 'all' };
  if (numbers !== undefined) return { kind: 'elements', at: numbers.split(',').map(Number) };
  return { kind: 'name', name: name ?? quoted ?? '', index: false };
}

function inside(value: unknown, step: Step): readonly unknown[] {
  if (value === null || typeof value !== 'object') return [];
  if (step.kind === 'all') return Object.values(value);
  if (step.kind === 'elements') {
    return Array.isArray(value) ? step.at.filter((at) => at < value.length).map((at) => value[at]) : [];
  }
  const { name, index } = step;
  if (Array.isArray(value)) {
    const at = index && /^\d+$/.test(name) ? Number(name) : value.length;
    return at < value.length ? [value[at]] : [];
  }
  return Object.hasOwn(value, name) ? [(value as Readonly<Record<string, unknown>>)[name]] : [];
}
