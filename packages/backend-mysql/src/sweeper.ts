import type { Millis, SessionId } from '@sessionkit/session-core';
import { type Database, NOW } from './database.js';
import type { Tables } from './options.js';
import { CLAIM_LAPSES } from './slots.js';
import { deadFromOf, IDS } from './statements.js';

/** Rows that are locked at a time. */
const BATCH = 200;
/** Claims and processes that are forgotten in one sweep. */
const LEFTOVERS = 500;

/**
 * Removes dead rows. They are locked for some round trips, a few at a time, and those that somebody else has locked are left out: sweeps of several processes share the
 * work, and a request never waits for more than a batch. Rows that were due and still live are only moved, by their key.
 */
export class Sweeper {
  readonly #db: Database;
  readonly #due: string;
  readonly #remove: string;
  readonly #later: string;
  readonly #claims: string;
  readonly #lapsed: string;
  readonly #leave: string;

  constructor(db: Database, tables: Tables) {
    const { sessions, claims, presence, c } = tables;
    const real = `case when t.${c.ended} is null then ${deadFromOf(tables)} else t.${c.dueAt} end`;
    this.#db = db;
    this.#due = `select t.${c.sid}, ${real} < ? from ${sessions} t where t.${c.dueAt} < ? order by t.${c.dueAt} limit ? for update skip locked`;
    this.#remove = `delete t from ${IDS} straight_join ${sessions} t on t.${c.sid} = j.sid`;
    this.#later = `update ${IDS} straight_join ${sessions} t on t.${c.sid} = j.sid set t.${c.dueAt} = ${real}`;
    this.#claims = `delete from ${claims} where last_at < ? order by last_at limit ${LEFTOVERS}`;
    this.#lapsed = `select distinct process from ${presence} where lease_end < ${NOW}`;
    this.#leave = `delete from ${presence} where process = ? and lease_end < ${NOW}`;
  }

  async sweep(deadBefore: Millis, limit: number, signal: AbortSignal): Promise<SessionId[]> {
    await this.#leftovers(deadBefore, signal);
    const swept: SessionId[] = [];
    for (;;) {
      const asked = Math.min(BATCH, limit - swept.length);
      const { due, removed } = await this.#batch(deadBefore, asked, signal);
      swept.push(...removed);
      // Rows that were due and still live only made room for those behind them.
      if (due < asked || swept.length >= limit) return swept;
    }
  }

  #batch(deadBefore: Millis, limit: number, signal: AbortSignal) {
    return this.#db.transaction(signal, async (ask) => {
      const { rows } = await ask(this.#due, [deadBefore, deadBefore, limit]);
      const [dead, living] = ['1', '0'].map((isDead) =>
        rows.filter((row) => row[1] === isDead).map(([id]) => id as SessionId),
      ) as [SessionId[], SessionId[]];
      if (dead.length > 0) await ask(this.#remove, [JSON.stringify(dead)]);
      if (living.length > 0) await ask(this.#later, [JSON.stringify(living)]);
      return { due: rows.length, removed: dead };
    });
  }

  async #leftovers(deadBefore: Millis, signal: AbortSignal): Promise<void> {
    await this.#db.run(this.#claims, [deadBefore - CLAIM_LAPSES], signal);
    const { rows } = await this.#db.run(this.#lapsed, [], signal);
    for (const [process] of rows) await this.#db.run(this.#leave, [Buffer.from(process ?? '')], signal);
  }
}
