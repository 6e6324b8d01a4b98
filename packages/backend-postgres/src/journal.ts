import {
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
  type SessionId,
} from '@sessionkit/session-core';
import { type Database, type Statement, statement } from './database.js';
import { storable, type Tables, unstorable } from './options.js';
import { inTime, lateRow } from './statements.js';

/** Journals: a row per entry, bounded as it is written; and once more as it is read, since two processes may write at once. */
export class Journals {
  readonly #db: Database;
  readonly #append: Statement;
  readonly #read: Statement;

  constructor(db: Database, tables: Tables) {
    this.#db = db;
    this.#append = append(tables);
    this.#read = statement(
      `select j.sid, j.at, j.bytes, j.entry::text from ${tables.journal} j where j.sid = any($1::text[]) order by j.at desc, j.seq desc`,
    );
  }

  async append({ batchId, entries }: JournalBatch, signal: AbortSignal): Promise<void> {
    // One that is larger than a journal would drive out everything, itself included.
    const sized = entries
      .map(({ id, at, kind, text }, n) => ({
        id,
        n,
        at,
        bytes: Buffer.byteLength(text),
        entry: { kind, text },
      }))
      .filter(({ id, bytes }) => bytes <= JOURNAL_MAX_BYTES && !unstorable(id));
    const values = [
      sized.map(({ id }) => id),
      sized.map(({ n }) => n),
      sized.map(({ at }) => at),
      sized.map(({ bytes }) => bytes),
      // As JSON even a text with NUL can be kept.
      sized.map(({ entry }) => JSON.stringify(entry)),
      batchId,
    ];
    await this.#db.write(this.#append, values, signal);
  }

  async read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    const found = new Map<string, { entries: JournalEntry[]; bytes: number }>();
    for (const [sid, at, bytes, json] of await this.#db.run(this.#read, [storable(ids)], signal)) {
      const own = found.get(sid ?? '') ?? { entries: [], bytes: 0 };
      found.set(sid ?? '', own);
      own.bytes += Number(bytes);
      if (own.entries.length >= JOURNAL_MAX_ENTRIES || own.bytes > JOURNAL_MAX_BYTES) continue;
      const { kind, text } = JSON.parse(json ?? '') as Pick<JournalEntry, 'kind' | 'text'>;
      own.entries.push({ id: sid as SessionId, at: Number(at), kind, text });
    }
    return ids.map((id) => found.get(id)?.entries.toReversed() ?? []);
  }
}

function append({ sessions, journal, c }: Tables): Statement {
  return statement(
    `with given as materialized (
  select * from unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::text[]) as g(sid, n, at, bytes, entry)
), fresh as materialized (
  select g.* from given g join ${sessions} t on t.${c.sid} = g.sid
  where t.${c.ended} is null and ${inTime('$7')}
    and not exists (select from ${journal} j where j.sid = g.sid and j.batch = $6::text and j.n = g.n)
), ranked as materialized (
  select every.*, row_number() over latest as place, sum(bytes) over latest as total from (
    select j.sid, j.batch, j.n, j.at, j.bytes, j.seq as arrival, null::text as entry from ${journal} j
    where j.sid in (select sid from fresh)
    union all select sid, $6::text, n, at, bytes, n, entry from fresh
  ) every
  window latest as (
    partition by sid order by at desc, entry is not null desc, arrival desc rows unbounded preceding
  )
), dropped as (
  delete from ${journal} j using ranked r
  where r.entry is null and (r.place > ${JOURNAL_MAX_ENTRIES} or r.total > ${JOURNAL_MAX_BYTES})
    and j.sid = r.sid and j.batch = r.batch and j.n = r.n
), kept as (
  insert into ${journal} (sid, batch, n, at, bytes, entry)
  select r.sid, r.batch, r.n, r.at, r.bytes, r.entry::json from ranked r
  where r.entry is not null and r.place <= ${JOURNAL_MAX_ENTRIES} and r.total <= ${JOURNAL_MAX_BYTES}
  order by r.sid, r.n on conflict do nothing returning true
)
${lateRow('$7', 'kept')}`,
  );
}
