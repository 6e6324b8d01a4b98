import { parseToken, TOKEN_LENGTH } from '@sessionkit/session-core';
import { AdminError } from '../errors.js';
import { type Expression, holds, parseExpression } from './expression.js';
import { type Fields, parseFields } from './fields.js';
import { type Page, parsePage } from './page.js';
import { parsePath, parsePointer, placeOf, type Step, select } from './path.js';

/** Parameters of a request: names as `queryOf` writes them, of repeated ones the first. */
export type RawQuery = Readonly<Record<string, string>>;

/** A condition on the values at one place of a row. */
export interface Filter {
  /** Such as `attributes/user`; undefined for one where nothing can be. */
  readonly place: string | undefined;
  readonly expression: Expression;
  /** Whether a row is let through: of the values at the place at least one must fit. A row without any does not. */
  fits(row: unknown): boolean;
}

/** What a request asks of a collection. */
export interface CollectionQuery {
  /** All of them must hold. */
  readonly filters: readonly Filter[];
  readonly page: Page | undefined;
  /** Rows after this id, also without a page. */
  readonly after: string | undefined;
  /** By type of resource. */
  readonly fields: ReadonlyMap<string, Fields>;
  /** Parameters besides those of the page, which the links to other pages repeat. */
  readonly kept: readonly (readonly [string, string])[];
}

/** Reads what is common to all collections. @throws AdminError 400 */
export function parseCollectionQuery(query: RawQuery): CollectionQuery {
  const kept = Object.entries(query).filter(([name]) => isKept(name));
  return {
    filters: filtersOf(query),
    page: parsePage(query),
    after: query['page[after]'],
    fields: fieldsOf(query),
    kept,
  };
}

/** Reads what is common to all single resources. Filters let through what is asked for by its name, but must be well-formed. @throws AdminError 400 */
export function parseResourceQuery(query: RawQuery): Pick<CollectionQuery, 'fields'> {
  pointerFilter(query);
  return { fields: fieldsOf(query) };
}

/** Whether links repeat a parameter of that name. */
function isKept(name: string): boolean {
  return ['filter', 'pretty', 'rdns', 'sync'].includes(name) || /^(?:filter|fields)\[.*\]$/s.test(name);
}

/**
 * Links and the access log repeat parameters, and neither may hold a credential. Those that are looked at nowhere are not looked at here.
 * @param names that the route knows
 * @throws AdminError 400
 */
export function refuseTokens(query: RawQuery, names: ReadonlySet<string>): void {
  for (const [name, value] of Object.entries(query)) {
    if (!names.has(name) && !isKept(name) && !name.startsWith('page[')) continue;
    const text = `${name}=${value}`;
    for (const { index } of text.matchAll(/s[0-7](?=[^.]{25}\.)/g)) {
      if (parseToken(text.slice(index, index + TOKEN_LENGTH)) === undefined) continue;
      throw new AdminError(
        400,
        'The query holds a session token. The id of the session is what stands before its dot.',
      );
    }
  }
}

function filtersOf(query: RawQuery): readonly Filter[] {
  const filters: Filter[] = [];
  const plain = pointerFilter(query);
  if (plain !== undefined) filters.push(plain);
  for (const [name, value] of Object.entries(query)) {
    const path = /^filter\[(.*)\]$/s.exec(name)?.[1];
    if (path !== undefined) filters.push(filterOf(parsePath(path), value));
  }
  return filters;
}

/** `filter=<pointer>=<expr>`; without a second `=` it is none. */
function pointerFilter({ filter = '' }: RawQuery): Filter | undefined {
  const at = filter.indexOf('=');
  return at < 0 ? undefined : filterOf(parsePointer(filter.slice(0, at)), filter.slice(at + 1));
}

function filterOf(steps: readonly Step[] | undefined, text: string): Filter {
  const expression = parseExpression(text);
  return {
    place: steps && placeOf(steps),
    expression,
    fits: (row) => steps !== undefined && select(steps, row).some((value) => holds(expression, value)),
  };
}

function fieldsOf(query: RawQuery): ReadonlyMap<string, Fields> {
  const found = new Map<string, Fields>();
  for (const [name, value] of Object.entries(query)) {
    const type = /^fields\[(.*)\]$/s.exec(name)?.[1];
    const fields = type === undefined ? undefined : parseFields(value);
    if (type !== undefined && fields !== undefined) found.set(type, fields);
  }
  return found;
}
