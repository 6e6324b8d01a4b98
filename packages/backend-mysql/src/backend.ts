import { randomBytes } from 'node:crypto';
import {
  type Backend,
  type BackendTraits,
  type Claim,
  type Ending,
  type Head,
  type Inspectable,
  isSessionId,
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
} from '@sessionkit/session-core';
import { Database } from './database.js';
import { isDuplicate } from './faults.js';
import { Journals } from './journal.js';
import { Listing } from './listing.js';
import { type CheckedOptions, storable } from './options.js';
import { Presences } from './presence.js';
import { decoded, type Encoded, encoded, writesIn } from './record.js';
import { ensureTables } from './schema.js';
import { Slots } from './slots.js';
import { type Statements, statementsOf } from './statements.js';
import { Sweeper } from './sweeper.js';

const TRAITS: BackendTraits = {
  durable: true,
  shared: true,
  approximate: false,
  maxRecordBytes: undefined,
  staleness: 0,
  lateWrites: false,
};

/** Sessions in a table of MySQL. A verb is one statement, one round trip and one transaction; some have to ask a second time. */
export class MysqlBackend implements Backend, Inspectable, Sweepable, UserSlots, Journal, Presence {
  readonly type = 'mysql';
  readonly #options: CheckedOptions;
  readonly #db: Database;
  readonly #statements: Statements;
  readonly #listing: Listing;
  readonly #slots: Slots;
  readonly #journals: Journals;
  readonly #presences: Presences;
  readonly #sweeper: Sweeper;
  /** Bytes of a record that the server takes, once it has told. */
  #most: number | undefined;
  #ready = false;
  #checking: Promise<void> | undefined;

  /** Made by {@link mysql}. */
  constructor(options: CheckedOptions) {
    const { tables } = options;
    this.#options = options;
    this.#db = new Database(options);
    this.#statements = statementsOf(tables);
    this.#listing = new Listing(this.#db, tables);
    this.#slots = new Slots(this.#db, tables);
    this.#journals = new Journals(this.#db, tables);
    this.#presences = new Presences(this.#db, tables);
    this.#sweeper = new Sweeper(this.#db, tables);
  }

  get traits(): BackendTraits {
    return { ...TRAITS, maxRecordBytes: this.#most };
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
    const possible = storable(ids);
    const [sql, values] =
      possible.length === 1
        ? [this.#statements.loadOne, possible.map((id) => Buffer.from(id))]
        : [this.#statements.load, [JSON.stringify(possible)]];
    const { rows } = await this.#db.run(sql, values, signal);
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
    const row = encoded(record, this.#most ?? Number.POSITIVE_INFINITY);
    return (
      (await (record.version === 1 ? this.#insert(row, signal) : this.#update(row, signal))) ||
      this.#wasStored(record, signal)
    );
  }

  async touch(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    await this.#open(signal);
    if (batch.length === 0) return [];
    // What cannot be stored is nowhere.
    const possible = batch.filter(({ id }) => isSessionId(id));
    const nowhere = batch.filter(({ id }) => !isSessionId(id)).map(({ id }) => id);
    // All lock rows in the order of their ids, so that no two wait for each other.
    const sorted = possible.map(({ id, epoch, seenAt }) => [id, epoch, seenAt] as const).sort(byId);
    const asked = JSON.stringify(sorted);
    const found = await this.#db.write(this.#statements.touch, [asked], signal);
    return found === batch.length ? [] : [...(await this.#untouched(possible, signal)), ...nowhere];
  }

  async end(
    given: readonly SessionId[],
    { at, cause, by, keepUntil }: Ending,
    signal: AbortSignal,
  ): Promise<SessionId[]> {
    await this.#open(signal);
    const ids = [...new Set(storable(given))].sort();
    if (ids.length === 0) return [];
    // By its mark it is known which of them this call has ended.
    const ended = JSON.stringify({ at, cause, by, mark: randomBytes(9).toString('base64url') });
    const list = JSON.stringify(ids);
    const found = await this.#db.write(this.#statements.end, [list, ended, keepUntil], signal);
    if (found === ids.length) return ids;
    const { rows } = await this.#db.run(this.#statements.endings, [list], signal);
    if (rows.some(([, stored]) => stored === null)) throw this.#db.late();
    return rows.filter(([, stored]) => stored === ended).map(([id]) => id as SessionId);
  }

  async now(signal: AbortSignal): Promise<Millis> {
    this.#db.check(signal);
    return this.#db.now(signal);
  }

  async close(): Promise<void> {
    if (this.#db.closed) return;
    this.#db.close();
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
    return this.#sweeper.sweep(deadBefore, limit, signal);
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
    return this.#presences.present(ids, signal);
  }

  async #insert(row: Encoded, signal: AbortSignal): Promise<boolean> {
    const { sql, values } = this.#statements.insert;
    try {
      return (await this.#db.write(sql, values(row), signal)) === 1;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  async #update(row: Encoded, signal: AbortSignal): Promise<boolean> {
    const { sql, values } = this.#statements.update;
    return (await this.#db.write(sql, values(row), signal)) === 1;
  }

  /** Why a save was refused: true when it had been stored before, false when another won or the session is over. */
  async #wasStored({ id, version, writes }: SessionRecord, signal: AbortSignal): Promise<boolean> {
    const { rows } = await this.#db.run(this.#statements.standing, [Buffer.from(id)], signal);
    const [row] = rows;
    if (row === undefined) {
      if (version > 1) return false;
      throw this.#db.late();
    }
    const [stored, ended, json] = row;
    const write = writes.at(-1);
    if (write !== undefined && writesIn(json, id).includes(write)) return true;
    if (ended === '0' && Number(stored) === version - 1) throw this.#db.late();
    return false;
  }

  /** Of those that a touch was given, the ones that are known to be gone, ended or of another epoch. */
  async #untouched(batch: readonly Touch[], signal: AbortSignal): Promise<SessionId[]> {
    const ids = JSON.stringify(batch.map(({ id }) => id));
    const { rows } = await this.#db.run(this.#statements.untouched, [ids], signal);
    const found = new Map(rows.map((row) => [row[0], row]));
    const dead: SessionId[] = [];
    for (const { id, epoch, seenAt } of batch) {
      const [, open, stored, seen] = found.get(id) ?? [];
      // A row without an epoch is damaged, and nothing is known of it.
      if (stored === null) continue;
      if (open !== '1' || Number(stored) !== epoch) dead.push(id);
      // Where connections count changes alone, those that had been seen later are not found.
      else if (Number(seen) < seenAt) throw this.#db.late();
    }
    return dead;
  }

  #open(signal: AbortSignal): Promise<void> | undefined {
    this.#db.check(signal);
    return this.#ready ? undefined : this.check();
  }

  async #check(): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.writeWithin);
    this.#most = await ensureTables(this.#db, this.#options, signal);
    await this.#db.now(signal);
    this.#ready = true;
  }
}

function byId([x]: readonly [SessionId, ...unknown[]], [y]: readonly [SessionId, ...unknown[]]): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
