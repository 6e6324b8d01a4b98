import type { Link, Millis, SessionId } from '@sessionkit/session-core';
import { type Database, type Statement, statement } from './database.js';
import { type Tables, unstorable } from './options.js';
import { checkTexts } from './record.js';
import { inTime, lateRow } from './statements.js';

/** Who holds which session open: a row per link, valid until the lease of its process runs out by the clock of the server. */
export class Presences {
  readonly #db: Database;
  readonly #announce: Statement;
  readonly #present: Statement;

  constructor(db: Database, { presence }: Tables) {
    this.#db = db;
    this.#announce = announce(presence);
    this.#present = statement(
      `select p.process, p.sid, p.since, p.detail::text from ${presence} p
where p.sid = any($1::text[]) and p.lease_end > clock_timestamp() order by p.sid, p.process, p.n`,
    );
  }

  async announce(process: string, given: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    checkTexts({ process });
    // Nobody can have a session with another id.
    const links = given.filter(({ id }) => !unstorable(id));
    const counts = new Map<string, number>();
    const places = links.map(({ id }) => {
      const n = counts.get(id) ?? 0;
      counts.set(id, n + 1);
      return n;
    });
    const values = [
      process,
      links.map(({ id }) => id),
      places,
      links.map(({ since }) => since),
      links.map(({ detail }) => JSON.stringify(detail)),
      ttl,
    ];
    await this.#db.write(this.#announce, values, signal);
  }

  async present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    const rows = await this.#db.run(this.#present, [ids], signal);
    return rows.map(([process, sid, since, detail]) => ({
      id: sid as SessionId,
      process: process ?? '',
      since: Number(since),
      detail: JSON.parse(detail ?? '{}') as Link['detail'],
    }));
  }
}

/** Links that are still there only get a new lease: no index changes. */
function announce(table: string): Statement {
  return statement(
    `with given as materialized (
  select * from unnest($2::text[], $3::int[], $4::bigint[], $5::text[]) as g(sid, n, since, detail)
), gone as (
  delete from ${table} p where p.process = $1::text and ${inTime('$7')}
    and not exists (select from given g where g.sid = p.sid and g.n = p.n)
), held as (
  insert into ${table} (process, sid, n, since, detail, lease_end)
  select $1::text, g.sid, g.n, g.since, g.detail::json, clock_timestamp() + $6::float8 * interval '1 millisecond'
  from given g where ${inTime('$7')} order by g.sid, g.n
  on conflict (process, sid, n) do update
  set since = excluded.since, detail = excluded.detail, lease_end = excluded.lease_end
  returning true
)
${lateRow('$7', 'held')}`,
  );
}
