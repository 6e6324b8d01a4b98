import {
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
} from '@sessionkit/session-core';
import { textBytes } from './size.js';

const BATCHES_KEPT = 1_024;
const ENTRY_BYTES = 120;

/** The journal of one session, and its neighbours in the order of their last entries. */
export interface SessionJournal {
  readonly owner: JournalOwner;
  readonly entries: JournalEntry[];
  /** UTF-8 bytes of the texts. */
  text: number;
  heap: number;
  older: SessionJournal | undefined;
  newer: SessionJournal | undefined;
}

export interface JournalOwner {
  journal: SessionJournal | undefined;
}

/** The journals of all sessions, within one budget of bytes: beyond it those written to longest ago are dropped. */
export class Journals {
  readonly #budget: number;
  readonly #batches = new Set<string>();
  #oldest: SessionJournal | undefined;
  #newest: SessionJournal | undefined;
  #bytes = 0;

  constructor(budget: number) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(batch: JournalBatch, ownerOf: (entry: JournalEntry) => JournalOwner | undefined): void {
    if (this.#batches.has(batch.batchId)) return;
    this.#batches.add(batch.batchId);
    if (this.#batches.size > BATCHES_KEPT) {
      const [first = ''] = this.#batches;
      this.#batches.delete(first);
    }
    for (const entry of batch.entries) {
      const owner = ownerOf(entry);
      if (owner !== undefined) this.#add(owner, entry);
    }
    while (this.#bytes > this.#budget && this.dropOldest());
  }

  /** Drops the journal that was written to longest ago; false when there is none. */
  dropOldest(): boolean {
    if (this.#oldest === undefined) return false;
    this.drop(this.#oldest.owner);
    return true;
  }

  drop(owner: JournalOwner): void {
    const journal = owner.journal;
    if (journal === undefined) return;
    owner.journal = undefined;
    this.#unlink(journal);
    this.#bytes -= journal.heap;
  }

  #add(owner: JournalOwner, entry: JournalEntry): void {
    const text = Buffer.byteLength(entry.text);
    // One that is larger than a journal would drive out everything, itself included.
    if (text > JOURNAL_MAX_BYTES) return;
    const journal = owner.journal ?? {
      owner,
      entries: [],
      text: 0,
      heap: 0,
      older: undefined,
      newer: undefined,
    };
    if (owner.journal === undefined) owner.journal = journal;
    else this.#unlink(journal);
    this.#link(journal);

    const { entries } = journal;
    let at = entries.length;
    while (at > 0 && (entries[at - 1]?.at ?? 0) > entry.at) at--;
    entries.splice(at, 0, entry);
    this.#count(journal, entry, 1);
    while (entries.length > JOURNAL_MAX_ENTRIES || journal.text > JOURNAL_MAX_BYTES) {
      const first = entries.shift();
      if (first !== undefined) this.#count(journal, first, -1);
    }
  }

  #count(journal: SessionJournal, entry: JournalEntry, sign: 1 | -1): void {
    const heap = ENTRY_BYTES + textBytes(entry.text);
    journal.text += sign * Buffer.byteLength(entry.text);
    journal.heap += sign * heap;
    this.#bytes += sign * heap;
  }

  #link(journal: SessionJournal): void {
    journal.older = this.#newest;
    journal.newer = undefined;
    if (this.#newest === undefined) this.#oldest = journal;
    else this.#newest.newer = journal;
    this.#newest = journal;
  }

  #unlink(journal: SessionJournal): void {
    if (journal.older === undefined) this.#oldest = journal.newer;
    else journal.older.newer = journal.newer;
    if (journal.newer === undefined) this.#newest = journal.older;
    else journal.newer.older = journal.older;
  }
}
