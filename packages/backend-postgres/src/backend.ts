import {
  type Backend,
  type BackendTraits,
  type Change,
  type Claim,
  type Ending,
  type Head,
  type Inspectable,
  type Journal,
  type JournalBatch,
  type JournalEntry,
  type Link,
  type Millis,
  type Page,
  type PageQuery,
  type Presence,
  type Query,
  SessionError,
  type SessionId,
  type SessionRecord,
  type Sweepable,
  type Touch,
  type UserSlots,
  type Watchable,
} from '@sessionkit/session-core';
import { Database, statement } from './database.js';
import { Journals } from './journal.js';
import { Listing } from './listing.js';
import { type CheckedOptions, storable, unstorable } from './options.js';
import { Presences } from './presence.js';
import { decoded, encoded, writesIn } from './record.js';
import { ensureTables } from './schema.js';
import { Slots } from './slots.js';
import { type Statements, statementsOf } from './statements.js';
import { Watcher } from './watcher.js';

const TRAITS: BackendTraits = {
  durable: true,
  shared: true,
  approximate: false,
  maxRecordBytes: undefined,
  staleness: 0,
  lateWrites: false,
};

const STANDBYS = statement(`select current_setting('synchronous_standby_names')`);

/** Sessions in a table of PostgreSQL. Each verb is one statement: one round trip and one transaction. */
export class PostgresBackend
  implements Backend, Inspectable, Sweepable, Watchable, UserSlots, Journal, Presence
{
  readonly type = 'postgres';
  readonly traits = TRAITS;
  readonly #options: CheckedOptions;
  readonly #db: Database;
  readonly #statements: Statements;
  readonly #listing: Listing;
  readonly #slots: Slots;
  readonly #journals: Journals;
  readonly #presences: Presences;
  readonly #watcher: Watcher;
  #ready = false;
  #checking: Promise<void> | undefined;

  /** Made by {@link postgres}. */
  constructor(options: CheckedOptions) {
    const { pool, tables, durable, log } = options;
    this.#options = options;
    this.#db = new Database(options);
    this.#statements = statementsOf(tables, durable);
    this.#listing = new Listing(this.#db, tables);
    this.#slots = new Slots(this.#db, tables);
    this.#journals = new Journals(this.#db, tables);
    this.#presences = new Presences(this.#db, tables);
    this.#watcher = new Watcher(pool, tables.channel, log);
  }

  /**
   * Looks whether the tables are as they have to be, and creates them with `createTable`. The first call of a verb does so too; at start it tells early.
   *
   * @throws SessionError `CONFIG_INVALID` with the statement that puts it right; `BACKEND_DOWN` when the server is not reachable.
   */
  async check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    await this.#checking;
  }

  async load(
    ids: readonly SessionId[],
    signal: AbortSignal,
  ): Promise<(SessionRecord | undefined | SessionError)[]> {
    await this.#open(signal);
    const rows = await this.#db.run(this.#statements.load, [storable(ids)], signal);
    const found = new Map(rows.map((row) => [row[0], row]));
    return ids.map((id) => {
      const row = found.get(id);
      return row === undefined ? undefined : decoded(row);
    });
  }

  async save(record: SessionRecord, signal: AbortSignal): Promise<boolean> {
    await this.#open(signal);
    if (record.ended !== undefined)
      throw new SessionError(
        'INVALID_VALUE',
        'a session is ended by end(), not by saving a record with `ended`',
      );
    const { insert, update } = this.#statements;
    const rows = await this.#db.write(record.version === 1 ? insert : update, encoded(record), signal);
    return rows.length > 0 || this.#wasStored(record, signal);
  }

  async touch(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    await this.#open(signal);
    if (batch.length === 0) return [];
    // What cannot be stored is nowhere.
    const [possible, nowhere] = [
      batch.filter(({ id }) => !unstorable(id)),
      batch.filter(({ id }) => unstorable(id)),
    ];
    const values = [
      possible.map(({ id }) => id),
      possible.map(({ epoch }) => epoch),
      possible.map(({ seenAt }) => seenAt),
    ];
    const rows = await this.#db.write(this.#statements.touch, values, signal);
    return [...rows.map(([id]) => id as SessionId), ...nowhere.map(({ id }) => id)];
  }

  async end(
    ids: readonly SessionId[],
    { at, cause, by, keepUntil }: Ending,
    signal: AbortSignal,
  ): Promise<SessionId[]> {
    await this.#open(signal);
    if (ids.length === 0) return [];
    const values = [storable(ids), JSON.stringify({ at, cause, by }), keepUntil, cause];
    const rows = await this.#db.write(this.#statements.end, values, signal);
    return rows.map(([id]) => id as SessionId);
  }

  async now(signal: AbortSignal): Promise<Millis> {
    this.#db.check(signal);
    return this.#db.now(signal);
  }

  async close(): Promise<void> {
    if (this.#db.closed) return;
    this.#db.close();
    await this.#watcher.close();
  }

  async list(query: PageQuery, signal: AbortSignal): Promise<Page<Head>> {
    await this.#open(signal);
    return this.#listing.list(query, signal);
  }

  async count(query: Query, signal: AbortSignal): Promise<number> {
    await this.#open(signal);
    return this.#listing.count(query, signal);
  }

  async sweep(deadBefore: Millis, limit: number, signal: AbortSignal): Promise<SessionId[]> {
    await this.#open(signal);
    const swept: SessionId[] = [];
    for (;;) {
      const asked = limit - swept.length;
      const [row] = await this.#db.run(this.#statements.sweep, [deadBefore, asked], signal);
      swept.push(...(JSON.parse(row?.[1] ?? '[]') as SessionId[]));
      // Rows that were due and still live only made room for those behind them.
      if (Number(row?.[0]) < asked || swept.length >= limit) return swept;
    }
  }

  async watch(onChange: (change: Change) => void): Promise<() => Promise<void>> {
    this.#db.check();
    return this.#watcher.listen(onChange);
  }

  async claim(claim: Claim, signal: AbortSignal): Promise<SessionId[]> {
    await this.#open(signal);
    return this.#slots.claim(claim, signal);
  }

  async append(batch: JournalBatch, signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    await this.#journals.append(batch, signal);
  }

  async read(ids: readonly SessionId[], signal: AbortSignal): Promise<JournalEntry[][]> {
    await this.#open(signal);
    return this.#journals.read(ids, signal);
  }

  async announce(process: string, links: readonly Link[], ttl: Millis, signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    await this.#presences.announce(process, links, ttl, signal);
  }

  async present(ids: readonly SessionId[], signal: AbortSignal): Promise<Link[]> {
    await this.#open(signal);
    return this.#presences.present(storable(ids), signal);
  }

  /** Why a save was refused: true when it had been stored before, false when another won or the session is over. */
  async #wasStored({ id, version, writes }: SessionRecord, signal: AbortSignal): Promise<boolean> {
    const [row] = await this.#db.run(this.#statements.standing, [id], signal);
    if (row === undefined) {
      if (version > 1) return false;
      throw this.#db.late();
    }
    const [stored, ended, json] = row;
    const write = writes.at(-1);
    if (write !== undefined && writesIn(json, id).includes(write)) return true;
    if (ended === 'f' && Number(stored) === version - 1) throw this.#db.late();
    return false;
  }

  #open(signal: AbortSignal): Promise<void> | undefined {
    this.#db.check(signal);
    return this.#ready ? undefined : this.check();
  }

  async #check(): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.writeWithin);
    await ensureTables(this.#db, this.#options, signal);
    await this.#db.now(signal);
    if (this.#options.durable) await this.#lookForStandbys(signal);
    this.#ready = true;
  }

  async #lookForStandbys(signal: AbortSignal): Promise<void> {
    const [row] = await this.#db.run(STANDBYS, [], signal);
    if (row?.[0] !== '') return;
    const message =
      'postgres: durable is true, but synchronous_standby_names is empty: what is acknowledged is on one server only';
    this.#options.log({ level: 'warning', message });
  }
}
