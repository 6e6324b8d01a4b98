import {
  type Head,
  type Page,
  type PageQuery,
  type Query,
  SessionError,
  type SessionId,
} from '@sessionkit/session-core';
import { type Database, type Row, type Statement, statement } from './database.js';
import { type Tables, unstorable } from './options.js';
import type { Value } from './pool.js';
import { decodedHead, headColumns } from './record.js';
import { moment } from './statements.js';

/** Lists and counts. Each set of conditions has a statement of its own, so that each has the plan that fits it. */
export class Listing {
  readonly #db: Database;
  readonly #tables: Tables;
  readonly #head: string;
  readonly #statements = new Map<string, Statement>();

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
    const values: Value[] = [limit + 1];
    const where = this.#where(query, values);
    const text = `select ${this.#head} from ${sessions} t${where} order by t.${c.sid} limit $1::bigint`;
    const rows = await this.#run(text, query, values, signal);
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

  #run(
    text: string,
    query: PageQuery | Query,
    values: Value[],
    signal: AbortSignal,
  ): Promise<readonly Row[]> {
    this.#db.check(signal);
    // What cannot be stored is nowhere.
    if ([query.service, query.user].some((name) => name !== undefined && unstorable(name)))
      return Promise.resolve([]);
    let known = this.#statements.get(text);
    if (known === undefined) {
      known = statement(text);
      this.#statements.set(text, known);
    }
    return this.#db.run(known, values, signal);
  }

  #where(query: Query & Pick<Partial<PageQuery>, 'after'>, values: Value[]): string {
    const { c } = this.#tables;
    const next = (value: Value) => `$${values.push(value)}`;
    const { service, user, state, startedBefore, after } = query;
    const conditions = [
      service === undefined ? [] : `t.${c.service} = ${next(service)}`,
      user === undefined ? [] : `t.${c.user} = ${next(user)}`,
      state === undefined ? [] : `t.${c.ended} is ${state === 'open' ? '' : 'not '}null`,
      startedBefore === undefined ? [] : `t.${c.start} < ${moment(next(startedBefore))}`,
      after === undefined ? [] : `t.${c.sid} > ${next(after)}`,
    ].flat();
    return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  }
}
