import {
  type Change,
  deadFrom,
  type Ending,
  type JournalBatch,
  type JournalEntry,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  type Touch,
} from '@sessionkit/session-core';
import { BigMap } from './big-map.js';
import { DueQueue } from './due-queue.js';
import { current, dueOf, type Entry, reconciled } from './entry.js';
import { Journals } from './journals.js';
import { isNews, Notices } from './notices.js';
import type { CheckedOptions } from './options.js';
import { Presences } from './presences.js';
import { Shards } from './shards.js';
import { recordBytes } from './size.js';
import { Slots } from './slots.js';
import { Steps } from './steps.js';

const EMPTY_DATA = '{}';
const JOURNAL_SHARE = 1 / 4;

/**
 * What the instances share: the records, their indexes and their bounds. Each method does its work in one go; only what may take long
 * is asynchronous, and lets the event loop go round.
 */
export class MemoryStore {
  readonly notices = new Notices();
  readonly shards = new Shards();
  readonly presences: Presences;
  readonly slots: Slots;
  readonly #journals: Journals;
  readonly #entries = new BigMap<Entry>();
  readonly #due = new DueQueue<Entry>();
  readonly #options: CheckedOptions;
  #bytes = 0;
  #reclaiming: Promise<boolean> | undefined;

  constructor(options: CheckedOptions) {
    this.#options = options;
    this.#journals = new Journals(Math.floor(options.maxBytes * JOURNAL_SHARE));
    this.presences = new Presences(options.now);
    this.slots = new Slots(
      {
        now: options.now,
        get: (id) => this.get(id),
        openOf: (service, user) => this.shards.openOf(service, user),
      },
      options.maxSessions,
    );
  }

  get(id: SessionId): SessionRecord | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined ? undefined : current(entry);
  }

  /** Stores a record; `full` when there is no room for it now, which journals make if `dropJournals`. */
  save(given: SessionRecord, dropJournals = false): boolean | 'full' {
    const entry = this.#entries.get(given.id);
    if (entry === undefined) return given.version === 1 && this.#insert(given, dropJournals);

    const before = entry.record;
    const write = given.writes.at(-1);
    if (write !== undefined && before.writes.includes(write)) return true;
    if (before.ended !== undefined || given.version !== before.version + 1) return false;

    const record = reconciled(given, entry);
    const bytes = this.#bytesOf(record);
    if (bytes > entry.bytes && !this.#hasRoom(0, bytes - entry.bytes, dropJournals)) return 'full';
    this.#replace(entry, record, bytes);
    this.slots.stored(record);
    if (isNews(before, record)) this.#publish(record, 'saved', undefined);
    return true;
  }

  touch(batch: readonly Touch[]): SessionId[] {
    const missed: SessionId[] = [];
    for (const { id, epoch, seenAt } of batch) {
      const entry = this.#entries.get(id);
      if (entry === undefined || entry.record.ended !== undefined || entry.record.epoch !== epoch)
        missed.push(id);
      else if (seenAt > entry.seenAt) entry.seenAt = seenAt;
    }
    return missed;
  }

  end(ids: readonly SessionId[], { at, cause, by, keepUntil }: Ending): SessionId[] {
    const ended: SessionId[] = [];
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined || entry.record.ended !== undefined) continue;
      const record = { ...current(entry), ended: { at, cause, by }, data: EMPTY_DATA };
      entry.keepUntil = keepUntil;
      this.#replace(entry, record, recordBytes(record));
      this.#publish(record, 'ended', cause);
      ended.push(id);
    }
    return ended;
  }

  append(batch: JournalBatch): void {
    this.#journals.append(batch, ({ id }) => {
      const entry = this.#entries.get(id);
      return entry === undefined || entry.record.ended !== undefined ? undefined : entry;
    });
  }

  journal(id: SessionId): JournalEntry[] {
    return this.#entries.get(id)?.journal?.entries.slice() ?? [];
  }

  /** Removes what has been dead since before `deadBefore`; `goOn` is asked after each step and throws to leave. */
  async sweep(deadBefore: Millis, limit: number, goOn: () => void): Promise<SessionId[]> {
    const swept: SessionId[] = [];
    const steps = new Steps();
    for (
      let entry = this.#dueBefore(deadBefore);
      entry && swept.length < limit;
      entry = this.#dueBefore(deadBefore)
    ) {
      if (this.#settle(entry, deadBefore)) swept.push(entry.record.id);
      if (!steps.over()) continue;
      await steps.rest();
      goOn();
    }
    return swept;
  }

  /** Removes one session that is dead or has ended; false when all live. Those who wait share one search. */
  reclaim(): Promise<boolean> {
    this.#reclaiming ??= this.#reclaim().finally(() => {
      this.#reclaiming = undefined;
    });
    return this.#reclaiming;
  }

  /** Dead sessions first, then ended ones that are still kept. */
  async #reclaim(): Promise<boolean> {
    const steps = new Steps();
    const after = this.#options.now() + 1;
    for (let entry = this.#dueBefore(after); entry !== undefined; entry = this.#dueBefore(after)) {
      if (this.#settle(entry, after)) return true;
      if (steps.over()) await steps.rest();
    }
    const ended = this.shards.firstEnded();
    const entry = ended === undefined ? undefined : this.#entries.get(ended);
    if (entry === undefined) return false;
    this.#remove(entry);
    return true;
  }

  #insert(record: SessionRecord, dropJournals: boolean): boolean | 'full' {
    const bytes = this.#bytesOf(record);
    if (!this.#hasRoom(1, bytes, dropJournals)) return 'full';
    const entry: Entry = {
      record,
      seenAt: record.seenAt,
      bytes,
      keepUntil: 0,
      due: 0,
      place: 0,
      journal: undefined,
    };
    this.#entries.set(record.id, entry);
    this.#bytes += bytes;
    this.shards.add(record);
    this.#due.add(entry, deadFrom(record));
    this.slots.stored(record);
    return true;
  }

  #replace(entry: Entry, record: SessionRecord, bytes: number): void {
    const before = entry.record;
    const moved =
      before.user !== record.user ||
      before.service !== record.service ||
      before.ended !== record.ended ||
      before.startedAt !== record.startedAt;
    if (moved) this.shards.remove(before);
    entry.record = record;
    entry.seenAt = record.seenAt;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (moved) this.shards.add(record);
    // A later end is found out when the earlier one has come.
    const due = dueOf(entry);
    if (due < entry.due) this.#due.move(entry, due);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.record.id);
    this.#due.remove(entry);
    this.shards.remove(entry.record);
    this.#journals.drop(entry);
    this.#bytes -= entry.bytes;
  }

  #dueBefore(time: Millis): Entry | undefined {
    const first = this.#due.first();
    return first !== undefined && first.due < time ? first : undefined;
  }

  /** Removes an entry that is due before `time`, or puts it where uses since then have moved its end to. */
  #settle(entry: Entry, time: Millis): boolean {
    const due = dueOf(entry);
    if (due < time) this.#remove(entry);
    else this.#due.move(entry, due);
    return due < time;
  }

  #hasRoom(sessions: number, bytes: number, dropJournals: boolean): boolean {
    const { maxSessions, maxBytes } = this.#options;
    const free = maxBytes - this.#bytes - bytes;
    if (this.#entries.size + sessions > maxSessions || free < 0) return false;
    while (dropJournals && this.#journals.bytes > free) this.#journals.dropOldest();
    return this.#journals.bytes <= free;
  }

  #bytesOf(record: SessionRecord): number {
    const bytes = recordBytes(record);
    if (bytes <= this.#options.maxBytes) return bytes;
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `a session of about ${bytes} bytes does not fit into a memory backend of ${this.#options.maxBytes}`,
    );
  }

  #publish({ id, version }: SessionRecord, what: Change['what'], cause: Change['cause']): void {
    this.notices.publish({ id, version, what, cause });
  }
}
