import { isSessionId, type Link, type Millis, type SessionId } from '@sessionkit/session-core';
import { type Database, IN_TIME, NOW } from './database.js';
import { storable, type Tables } from './options.js';
import { bytesOf } from './record.js';
import { IDS } from './statements.js';

/** Who holds which session open: a row per link, valid until the lease of its process runs out by the clock of the server. */
export class Presences {
  readonly #db: Database;
  readonly #hold: string;
  readonly #leave: string;
  readonly #present: string;

  constructor(db: Database, { presence }: Tables) {
    const given = (columns: string) =>
      `json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$[0]', n int path '$[1]'${columns})) g`;
    this.#db = db;
    // Links that are still there only get a new lease: no index changes.
    this.#hold = `insert into ${presence} (process, sid, n, since, detail, lease_end)
select ?, g.sid, g.n, g.since, g.detail, ${NOW} + ? from ${given(`, since bigint path '$[2]', detail longtext character set utf8mb4 path '$[3]'`)}
where ${IN_TIME} order by g.sid, g.n
on duplicate key update since = values(since), detail = values(detail), lease_end = values(lease_end)`;
    this.#leave = `delete p from ${presence} p left join ${given('')} on g.sid = p.sid and g.n = p.n
where p.process = ? and g.sid is null and ${IN_TIME}`;
    this.#present = `select straight_join p.process, p.sid, p.since, p.detail from ${IDS} join ${presence} p on p.sid = j.sid
where p.lease_end > ${NOW} order by p.sid, p.process, p.n`;
  }

  /** The new links stand before those go that are closed: meanwhile there are too many, and never too few. */
  async announce(process: string, given: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    const name = bytesOf('process', process);
    const counts = new Map<string, number>();
    // Nobody can have a session with another id.
    const rows = given
      .filter(({ id }) => isSessionId(id))
      .map(({ id, since, detail }) => {
        const n = counts.get(id) ?? 0;
        counts.set(id, n + 1);
        return [id, n, since, JSON.stringify(detail)] as const;
      });
    const until = await this.#db.until(signal);
    if (rows.length > 0) {
      const held = await this.#db.run(this.#hold, [name, ttl, JSON.stringify(rows), until], signal);
      if (held.affected === 0) await this.#db.mustBeInTime(until, signal);
    }
    const places = JSON.stringify(rows.map(([id, n]) => [id, n]));
    await this.#db.run(this.#leave, [places, name, until], signal);
  }

  async present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    const { rows } = await this.#db.run(this.#present, [JSON.stringify(storable(ids))], signal);
    return rows.map(([process, sid, since, detail]) => ({
      id: sid as SessionId,
      process: process ?? '',
      since: Number(since),
      detail: JSON.parse(detail ?? '{}') as Link['detail'],
    }));
  }
}
