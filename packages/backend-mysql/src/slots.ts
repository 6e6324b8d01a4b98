import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Claim, Millis, SessionId } from '@sessionkit/session-core';
import { type Database, IN_TIME } from './database.js';
import { isDuplicate } from './faults.js';
import type { Tables } from './options.js';
import { bytesOf, startOf } from './record.js';
import { deadFromOf } from './statements.js';

/** How long a place is kept for a session that has not been stored under its user. */
export const CLAIM_LAPSES: Millis = 60_000;

interface Place {
  readonly sid: SessionId;
  readonly at: Millis;
}

interface Standing {
  /** Of the row of claims; undefined when there is none. */
  readonly mark: string | undefined;
  readonly lastAt: Millis;
  /** Claims that wait for their session. */
  readonly waiting: readonly Place[];
  /** Living sessions of the user. */
  readonly own: readonly Place[];
}

/**
 * Places of users' sessions. A stored session is its own place; claims wait for theirs in one row for each service and user, which is changed only as it was read (compare and
 * swap). All that takes a place goes through that row, so that two never take the last one. A lock (`get_lock`, `select … for update`) would be held for
 * several round trips, and would keep a connection of the pool for each claim that waits; here a claim that lost the race asks again.
 */
export class Slots {
  readonly #db: Database;
  readonly #look: string;
  readonly #add: string;
  readonly #change: string;
  /** Claims of one user in this process follow each other: they would only lose to each other. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(db: Database, tables: Tables) {
    const { claims, sessions, c } = tables;
    const dead = deadFromOf(tables);
    const row = 'k.service = ? and k.user_id = ?';
    this.#db = db;
    // Claims whose session is over or somebody else's are free. A session that is still anonymous may become this user's.
    this.#look = `select 'row' as kind, k.mark as a, k.places as b, k.last_at as at from ${claims} k where ${row}
union all select 'own', t.${c.sid}, null, ${startOf(c)} from ${sessions} t
  where t.${c.user} = ? and t.${c.service} = ? and t.${c.ended} is null and ? < ${dead}
union all select 'free', t.${c.sid}, null, null from ${claims} k
  straight_join json_table(k.places, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$.sid')) j
  straight_join ${sessions} t on t.${c.sid} = j.sid
  where ${row} and (t.${c.ended} is not null or t.${c.service} <> ? or t.${c.user} <> ? or ? >= ${dead})`;
    this.#add = `insert into ${claims} (service, user_id, mark, places, last_at) select ?, ?, ?, ?, ? from dual where ${IN_TIME}`;
    this.#change = `update ${claims} set mark = ?, places = ?, last_at = ? where service = ? and user_id = ? and mark = ? and ${IN_TIME}`;
  }

  async claim(claim: Claim, signal: AbortSignal): Promise<SessionId[]> {
    const key = JSON.stringify([claim.service, claim.user]);
    const before = this.#turns.get(key);
    const own = (before ?? Promise.resolve()).then(() => this.#claim(claim, signal));
    const turn = own.then(
      () => {},
      () => {},
    );
    this.#turns.set(key, turn);
    try {
      return await own;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  async #claim(claim: Claim, signal: AbortSignal): Promise<SessionId[]> {
    const { id, at, max, full } = claim;
    const [service, user] = [bytesOf('service', claim.service), bytesOf('user', claim.user)];
    const until = await this.#db.until(signal);
    let lost: Standing | undefined;
    for (;;) {
      const standing = await this.#standing(service, user, at, signal);
      // Nobody else has changed it: it was the time.
      if (lost !== undefined && lost.mark === standing.mark) throw this.#db.late();
      const { own, waiting } = standing;
      const since = new Map([...own, ...waiting].map((place) => [place.sid, place.at]));
      for (const place of own) since.set(place.sid, place.at);
      const isHeld = since.delete(id);
      const over = since.size + 1 - max;
      if (full === 'refuse' && over > 0 && !isHeld) return [id];
      if (isHeld || (await this.#take(service, user, standing, { sid: id, at }, until, signal)))
        return full === 'refuse' || over <= 0 ? [] : oldest(since).slice(0, over);
      lost = standing;
      await pause(Math.random() * 8);
    }
  }

  async #standing(service: Buffer, user: Buffer, at: Millis, signal: AbortSignal): Promise<Standing> {
    const values = [service, user, user, service, at, service, user, service, user, at];
    const { rows } = await this.#db.run(this.#look, values, signal);
    const [row] = rows.filter(([kind]) => kind === 'row');
    const free = new Set(rows.filter(([kind]) => kind === 'free').map(([, sid]) => sid));
    const held = JSON.parse(row?.[2] ?? '[]') as Place[];
    return {
      mark: row?.[1] ?? undefined,
      lastAt: Number(row?.[3] ?? 0),
      waiting: held.filter((place) => at - place.at < CLAIM_LAPSES && !free.has(place.sid)),
      own: rows
        .filter(([kind]) => kind === 'own')
        .map(([, sid, , began]) => ({ sid: sid as SessionId, at: Number(began) })),
    };
  }

  /** Adds a place to the row, if it still is as it was read. */
  async #take(
    service: Buffer,
    user: Buffer,
    { mark, lastAt, waiting }: Standing,
    place: Place,
    until: Millis,
    signal: AbortSignal,
  ): Promise<boolean> {
    const next = [
      randomBytes(9).toString('base64url'),
      JSON.stringify([...waiting, place]),
      Math.max(lastAt, place.at),
    ];
    const [sql, values] =
      mark === undefined
        ? [this.#add, [service, user, ...next, until]]
        : [this.#change, [...next, service, user, Buffer.from(mark), until]];
    try {
      return (await this.#db.run(sql, values, signal)).affected === 1;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }
}

/** Those that began first stand first. */
function oldest(since: ReadonlyMap<SessionId, Millis>): SessionId[] {
  return [...since].sort(([x, a], [y, b]) => a - b || (x < y ? -1 : 1)).map(([sid]) => sid);
}
