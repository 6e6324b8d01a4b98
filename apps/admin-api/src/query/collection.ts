import { renderCollection } from '../render.js';
import type { Answer } from '../route.js';
import { pick } from './fields.js';
import { compareText } from './json.js';
import { pageLinks } from './page.js';
import {
  type CollectionQuery,
  type Filter,
  parseCollectionQuery,
  parseResourceQuery,
  type RawQuery,
} from './query.js';

/** A JSON:API resource whose keys are sorted at every depth. */
export interface Resource {
  readonly id: string;
  readonly type: string;
  readonly attributes?: unknown;
  readonly relationships?: unknown;
  readonly links?: unknown;
}

/** What is asked of a source. */
export interface Wanted {
  /** A source may leave out rows that these do not let through, and need not look at them otherwise. */
  readonly filters: readonly Filter[];
  /** Rows greater than this id. */
  readonly after: string | undefined;
  /** No more rows than these are looked at; undefined when that is not known beforehand. */
  readonly limit: number | undefined;
}

/** Where the rows of a collection come from. */
export interface Source {
  /** Ascending by id, a list at a time. An empty list is a chance for the reader to stop. */
  rows(wanted: Wanted): AsyncIterable<readonly Resource[]>;
  /** The same rows with what only those have that are sent. Called with rows of the list that was given last, before the next one is asked for. */
  complete?(rows: readonly Resource[]): Promise<readonly Resource[]>;
  /** How many rows the filters let through, when that can be told without listing them. */
  count?(filters: readonly Filter[]): Promise<number | undefined>;
  /** Link of the collection, without parameters. */
  readonly self: string;
  /** Asked for when all rows have been sent. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** Up to here rows are counted one by one, since a store counts those too that have just run out. */
const COUNTED_EXACTLY = 1_000;

/** A source of few rows that are at hand, in any order. */
export function listSource(self: string, rows: readonly Resource[]): Source {
  return {
    self,
    async *rows({ after }) {
      const sorted = [...rows].sort((a, b) => compareText(a.id, b.id));
      yield after === undefined ? sorted : sorted.filter(({ id }) => compareText(id, after) > 0);
    },
  };
}

/**
 * Answers a collection as the query asks: filtered, then cut to a page, then cut to the fields. Rows are asked for while they are sent; the first ones
 * before the head of the answer, so that a store that is down is an error.
 * @throws AdminError 400, and what the source throws.
 */
export async function answerCollection(source: Source, rawQuery: RawQuery): Promise<Answer> {
  const query = parseCollectionQuery(rawQuery);
  const total = await totalOf(source, query);
  const sending = send(source, query, total);
  const first = await sending.rows.next();
  return {
    status: 200,
    pieces: (pretty) => renderCollection(resume(first, sending.rows), sending.tail, pretty),
  };
}

/** Answers a single resource with the fields that the query names. @throws AdminError 400 */
export function answerResource(
  self: string,
  resource: Resource,
  rawQuery: RawQuery,
  meta?: Readonly<Record<string, unknown>>,
): { readonly status: 200; readonly document: unknown } {
  const { fields } = parseResourceQuery(rawQuery);
  const data = cut(resource, fields);
  return { status: 200, document: { data, links: { self }, ...(meta && { meta }) } };
}

/** Undefined when rows must be counted while they are listed, or no number is asked for. */
async function totalOf(source: Source, { page, filters }: CollectionQuery): Promise<number | undefined> {
  if (page === undefined || page.after !== undefined) return undefined;
  const total = await source.count?.(filters);
  return total !== undefined && total > COUNTED_EXACTLY ? total : undefined;
}

/** What follows the rows. */
interface Tail {
  readonly links: Readonly<Record<string, string>>;
  readonly meta?: Readonly<Record<string, unknown>>;
}

function send(
  source: Source,
  query: CollectionQuery,
  knownTotal: number | undefined,
): { readonly rows: AsyncGenerator<readonly Resource[], void, void>; readonly tail: () => Tail } {
  const { filters, page, after, fields } = query;
  const counts = page !== undefined && page.after === undefined && knownTotal === undefined;
  const from = page === undefined ? 0 : page.number * page.size;
  const to = page === undefined ? Number.POSITIVE_INFINITY : from + page.size;
  const sure = filters.length === 0 || knownTotal !== undefined;
  let seen = 0;
  let last: string | undefined;

  async function* rows(): AsyncGenerator<readonly Resource[], void, void> {
    const limit = page === undefined || counts || !sure ? undefined : to + 1;
    for await (const list of source.rows({ filters, after, limit })) {
      const sent: Resource[] = [];
      for (const row of list) {
        if (!filters.every((filter) => filter.fits(row))) continue;
        seen++;
        if (seen > to && !counts) break;
        if (seen <= from || seen > to) continue;
        last = row.id;
        sent.push(row);
      }
      const whole = (await source.complete?.(sent)) ?? sent;
      yield whole.map((row) => cut(row, fields));
      if (seen > to && !counts) return;
    }
  }

  return {
    rows: rows(),
    tail() {
      const link = (parameters: readonly (readonly [string, string | number])[]) =>
        withQuery(source.self, [...parameters, ...query.kept]);
      const meta = { ...source.meta };
      if (page === undefined) {
        const cursor = after === undefined ? [] : [['page[after]', after] as const];
        return { links: { self: link(cursor) }, ...shown(meta) };
      }
      const total = counts ? seen : knownTotal;
      if (total !== undefined) Object.assign(meta, { total });
      return { links: pageLinks(page, { total, more: seen > to, last }, link), ...shown(meta) };
    },
  };
}

function cut(row: Resource, fields: CollectionQuery['fields']): Resource {
  const asked = fields.get(row.type);
  return asked === undefined ? row : pick(row, asked);
}

function shown(meta: Readonly<Record<string, unknown>>): Pick<Tail, 'meta'> {
  return Object.keys(meta).length === 0 ? {} : { meta };
}

function withQuery(self: string, parameters: readonly (readonly [string, string | number])[]): string {
  if (parameters.length === 0) return self;
  const text = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return `${self}?${text.join('&')}`;
}

/** Goes on after a step that has been taken. */
async function* resume<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  if (first.done) return;
  try {
    yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
