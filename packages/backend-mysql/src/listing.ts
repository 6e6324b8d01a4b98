import {
  type Head,
  type Page,
  type PageQuery,
  type Query,
  SessionError,
  type SessionId,
} from '@sessionkit/session-core';
import type { Database, Row } from './database.js';
import type { Tables } from './options.js';
import type { Value } from './pool.js';
import { decodedHead, headColumns, isNobody, momentOf } from './record.js';

/** Lists and counts. Each set of conditions has a statement of its own, so that each has the plan that fits it. */
export class Listing {
  readonly #db: Database;
  readonly #tables: Tables;
  readonly #head: string;

  constructor(db: Database, tables: Tables) {
    this.#db = db;
    this.#tables = tables;
    this.#head = headColumns(tables);
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    const { limit } = query;
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SessionError('INVALID_VALUE', `limit must be a whole number of at least 1, not ${limit}`);
    const { sessions, c } = this.#tables;
    const values: Value[] = [];
    const where = this.#where(query, values);
    const text = `select ${this.#head} from ${sessions} t${where} order by t.${c.sid} limit ?`;
    const rows = await this.#run(text, query, [...values, limit + 1], signal);
    const page = rows.slice(0, limit);
    const items = page.map(decodedHead).filter((head) => head !== undefined);
    return { items, next: rows.length > limit ? (page.at(-1)?.[0] as SessionId) : undefined };
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    const values: Value[] = [];
    const where = this.#where(query, values);
    const [row] = await this.#run(
      `select count(*) from ${this.#tables.sessions} t${where}`,
      query,
      values,
      signal,
    );
    return Number(row?.[0] ?? 0);
  }

  async #run(
    text: string,
    query: Query,
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<readonly Row[]> {
    this.#db.check(signal);
    // What cannot be stored is nowhere.
    if ([query.service, query.user].some((name) => name !== undefined && isNobody(name))) return [];
    return (await this.#db.run(text, values, signal)).rows;
  }

  #where(query: Query & Pick<Partial<PageQuery>, 'after'>, values: Value[]): string {
    const { c } = this.#tables;
    const next = (value: Value) => {
      values.push(value);
      return '?';
    };
    const bytes = (text: string) => next(Buffer.from(text));
    const { service, user, state, startedBefore, after } = query;
    const conditions = [
      service === undefined ? [] : `t.${c.service} = ${bytes(service)}`,
      user === undefined ? [] : `t.${c.user} = ${bytes(user)}`,
      state === undefined ? [] : `t.${c.over} = ${state === 'open' ? 0 : 1}`,
      startedBefore === undefined ? [] : `t.${c.start} < ${momentOf(next(startedBefore))}`,
      after === undefined ? [] : `t.${c.sid} > ${bytes(after)}`,
    ].flat();
    return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  }
}
