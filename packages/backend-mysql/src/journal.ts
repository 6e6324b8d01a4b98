import {
  isSessionId,
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
  type SessionId,
} from '@sessionkit/session-core';
import { CLOCK, type Database, IN_TIME } from './database.js';
import { digest, storable, type Tables } from './options.js';
import { IDS } from './statements.js';

/** Journals: a row per entry. What is beyond the bounds is passed over as it is read, and removed after the next batch. */
export class Journals {
  readonly #db: Database;
  readonly #append: string;
  readonly #beyond: string;
  readonly #remove: string;
  readonly #read: string;

  constructor(db: Database, { sessions, journal, c }: Tables) {
    const given = `json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$[0]', n int path '$[1]', at bigint path '$[2]', bytes int path '$[3]', entry longtext character set utf8mb4 path '$[4]')) g`;
    const latest = 'partition by e.sid order by e.at desc, e.arrived desc, e.n desc';
    const key = `json_table(?, '$[*]' columns (sid varchar(27) character set utf8mb4 path '$[0]', batch varchar(20) character set utf8mb4 path '$[1]', n int path '$[2]')) k`;
    this.#db = db;
    // A batch that arrives again finds its entries there.
    this.#append = `insert into ${journal} (sid, batch, n, at, arrived, bytes, entry)
select straight_join t.${c.sid}, ?, g.n, g.at, ${CLOCK}, g.bytes, g.entry from ${given} join ${sessions} t on t.${c.sid} = g.sid
where t.${c.ended} is null and ${IN_TIME}
on duplicate key update bytes = values(bytes)`;
    // Read without a lock: rows are locked by their keys alone.
    this.#beyond = `select r.sid, r.batch, r.n from (
  select e.sid, e.batch, e.n, row_number() over (${latest}) as place, sum(e.bytes) over (${latest} rows unbounded preceding) as total
  from ${IDS} straight_join ${journal} e on e.sid = j.sid
) r where r.place > ${JOURNAL_MAX_ENTRIES} or r.total > ${JOURNAL_MAX_BYTES}`;
    this.#remove = `delete e from ${key} straight_join ${journal} e on e.sid = k.sid and e.batch = k.batch and e.n = k.n`;
    this.#read = `select straight_join e.sid, e.at, e.bytes, e.entry from ${IDS} join ${journal} e on e.sid = j.sid
order by e.at desc, e.arrived desc, e.n desc`;
  }

  async append({ batchId, entries }: JournalBatch, signal: AbortSignal): Promise<void> {
    // One that is larger than a journal would drive out everything, itself included.
    const rows = entries
      .map(
        ({ id, at, kind, text }, n) =>
          // As JSON even a text with half of a surrogate pair can be kept.
          [id, n, at, Buffer.byteLength(text), JSON.stringify({ kind, text })] as const,
      )
      .filter(([id, , , bytes]) => bytes <= JOURNAL_MAX_BYTES && isSessionId(id))
      // As all others lock them.
      .sort(([x], [y]) => (x < y ? -1 : x > y ? 1 : 0));
    if (rows.length === 0) return;
    const until = await this.#db.until(signal);
    const values = [Buffer.from(digest(batchId)), JSON.stringify(rows), until];
    const { affected } = await this.#db.run(this.#append, values, signal);
    if (affected === 0) await this.#db.mustBeInTime(until, signal);
    const ids = JSON.stringify([...new Set(rows.map(([id]) => id))]);
    const { rows: beyond } = await this.#db.run(this.#beyond, [ids], signal);
    if (beyond.length > 0) await this.#db.run(this.#remove, [JSON.stringify(beyond)], signal);
  }

  async read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    const found = new Map<string, { entries: JournalEntry[]; bytes: number }>();
    const { rows } = await this.#db.run(this.#read, [JSON.stringify(storable(ids))], signal);
    for (const [sid, at, bytes, json] of rows) {
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
