import type { Claim, Millis, SessionId } from '@sessionkit/session-core';
import { type Database, type Statement, statement } from './database.js';
import type { Tables } from './options.js';
import { checkTexts, startOf } from './record.js';
import { deadFromOf, inTime, lateRow } from './statements.js';

/** How long a place is kept for a session that has not been stored under its user. */
const CLAIM_LAPSES: Millis = 60_000;

/**
 * Places of users' sessions. A stored session is its own place; claims wait for theirs in one row for each service and user. The lock on that row
 * makes claims of one user follow each other, and each sees what the one before it added, whatever its snapshot.
 */
export class Slots {
  readonly #db: Database;
  readonly #claim: Statement;

  constructor(db: Database, tables: Tables) {
    this.#db = db;
    this.#claim = statementOf(tables);
  }

  async claim({ service, user, id, at, max, full }: Claim, signal: AbortSignal): Promise<SessionId[]> {
    checkTexts({ service, user, id });
    const values = [service, user, id, at, max, full === 'oldest'];
    const rows = await this.#db.write(this.#claim, values, signal);
    if (!rows.some(([kind]) => kind === 'granted')) return [id];
    const since = new Map<string, Millis>();
    for (const [kind, sid, began] of rows)
      if (kind !== 'granted' && sid !== id && sid != null) since.set(sid, Number(began));
    const over = since.size + 1 - max;
    if (full === 'refuse' || over <= 0) return [];
    const others = [...since].sort(([x, a], [y, b]) => a - b || (x < y ? -1 : 1));
    return others.slice(0, over).map(([sid]) => sid as SessionId);
  }
}

function statementOf(tables: Tables): Statement {
  const { sessions, claims, c } = tables;
  const began = startOf(c);
  const dead = deadFromOf(tables);
  // Claims whose session is over, somebody else's or never came are free.
  const waiting = (
    sids: string,
    since: string,
  ) => `select h.sid, h.at from unnest(${sids}, ${since}) as h(sid, at)
    where $4::bigint - h.at < ${CLAIM_LAPSES} and not exists (select from ${sessions} t where t.${c.sid} = h.sid
      and (t.${c.ended} is not null or t.${c.service} <> $1::text or t.${c.user} <> $2::text or $4::bigint >= ${dead}))`;
  return statement(
    `with own as materialized (
  select t.${c.sid} as sid, ${began} as since from ${sessions} t
  where t.${c.service} = $1::text and t.${c.user} = $2::text and t.${c.ended} is null and $4::bigint < ${dead}
), taken as (
  insert into ${claims} as held (service, user_id, sids, since, last_at)
  select $1::text, $2::text, array[$3::text], array[$4::bigint], $4::bigint
  where ${inTime('$7')} and ($6::boolean or (select count(*) from own where sid <> $3::text) < $5::bigint
    or exists (select from own where sid = $3::text)
    or exists (select from ${claims} k where k.service = $1::text and k.user_id = $2::text and $3::text = any(k.sids)))
  on conflict (service, user_id) do update set
    (sids, since) = (
      select array_agg(w.sid order by w.at, w.sid), array_agg(w.at order by w.at, w.sid) from (
        ${waiting('held.sids', 'held.since')}
        union all select $3::text, $4::bigint where not exists (select from (${waiting('held.sids', 'held.since')}) same where same.sid = $3::text)
      ) w),
    last_at = greatest(held.last_at, excluded.last_at)
  where $6::boolean or (
    select count(*) filter (where u.sid <> $3::text) < $5::bigint or coalesce(bool_or(u.sid = $3::text), false)
    from (select sid from own union select w.sid from (${waiting('held.sids', 'held.since')}) w) u
  )
  returning sids, since
)
select 'granted', null, null from taken
union all select 'waits', h.sid, h.since::text from taken, unnest(taken.sids, taken.since) as h(sid, since)
union all select 'lives', sid, since::text from own
union all ${lateRow('$7', 'taken', 3)}`,
  );
}
