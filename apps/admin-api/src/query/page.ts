import { AdminError } from '../errors.js';

/** The part of a collection that is asked for. */
export interface Page {
  readonly size: number;
  /** From 0. Without `after`. */
  readonly number: number;
  /** Rows after this id, in place of a number. */
  readonly after: string | undefined;
}

/** Rows that a page may have before it: they are read and thrown away. */
const MAX_BEFORE = 10_000;
const MAX_SIZE = 1_000_000_000;

/**
 * Reads `page[size]`, `page[number]`, `page[after]`. Undefined: all rows are asked for.
 * @throws AdminError 400
 */
export function parsePage(query: Readonly<Record<string, string>>): Page | undefined {
  const after = query['page[after]'];
  const size = leadingInteger(query['page[size]']);
  if (after !== undefined && query['page[number]'] !== undefined)
    throw new AdminError(400, 'page[number] and page[after] exclude each other.');
  if (after === '')
    throw new AdminError(400, 'page[after]: must be the id of the last row of the page before.');
  const number = leadingInteger(query['page[number]']) ?? 0;
  if (size === undefined || size <= 0 || number < 0) return undefined;
  if (number * size > MAX_BEFORE) {
    throw new AdminError(
      400,
      `page[number]: rows beyond the first ${MAX_BEFORE} are reached by page[after]=<id of the last row of the page before>.`,
    );
  }
  return { size: Math.min(size, MAX_SIZE), number, after };
}

/** What is known when the rows of a page have been sent. */
export interface Reached {
  /** All rows of the collection that fit; undefined for a page after an id. */
  readonly total: number | undefined;
  /** Whether there are rows behind this page. */
  readonly more: boolean;
  /** Id of the last row of the page. */
  readonly last: string | undefined;
}

/** Links to the other pages that can be reached. @param link of a page, by its parameters */
export function pageLinks(
  page: Page,
  { total, more, last }: Reached,
  link: (page: readonly (readonly [string, string | number])[]) => string,
): Readonly<Record<string, string>> {
  const { size, number, after } = page;
  const sized = ['page[size]', size] as const;
  const numbered = (n: number) => link([sized, ['page[number]', n]]);
  const following = (id: string) => link([sized, ['page[after]', id]]);
  const links: Record<string, string> = {
    first: numbered(0),
    self: after === undefined ? numbered(number) : following(after),
  };
  if (more && last !== undefined) {
    const byNumber = after === undefined && (number + 1) * size <= MAX_BEFORE;
    links.next = byNumber ? numbered(number + 1) : following(last);
  }
  if (total === undefined) return links;
  const lastNumber = Math.max(0, Math.ceil(total / size) - 1);
  if (lastNumber * size <= MAX_BEFORE) links.last = numbered(lastNumber);
  if (number > 0 && number * size < total) links.prev = numbered(number - 1);
  return links;
}

/** As C's strtol reads it: digits at the start; undefined without any. */
function leadingInteger(text: string | undefined): number | undefined {
  const digits = /^\s*([-+]?\d+)/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
