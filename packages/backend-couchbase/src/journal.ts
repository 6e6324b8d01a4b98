import {
  isSessionId,
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
  SessionError,
  type SessionId,
  stopAt,
} from '@sessionkit/session-core';
import { digest } from './options.js';
import type { Records } from './records.js';
import type { Call, Store } from './store.js';

/** Batches that are known again when they come twice. */
const BATCHES_KEPT = 32;

type Line = readonly [at: number, kind: JournalEntry['kind'], text: string];

interface Journal {
  readonly batches: readonly string[];
  readonly lines: readonly Line[];
}

const NONE: Journal = { batches: [], lines: [] };

/** Journals: a document for each session, bounded, forgotten by the server with the session. */
export class Journals {
  readonly #store: Store;
  readonly #records: Records;

  constructor(store: Store, records: Records) {
    this.#store = store;
    this.#records = records;
  }

  async append(call: Call, { batchId, entries }: JournalBatch): Promise<void> {
    const byId = new Map<SessionId, Line[]>();
    for (const { id, at, kind, text } of entries) {
      // One that is larger than a journal would drive out everything, itself included.
      if (!isSessionId(id) || Buffer.byteLength(text) > JOURNAL_MAX_BYTES) continue;
      const lines = byId.get(id) ?? [];
      byId.set(id, lines);
      lines.push([at, kind, text]);
    }
    const ids = [...byId.keys()];
    const heads = await this.#records.stored(call, ids);
    const batch = digest(batchId).slice(0, 16);
    await Promise.all(
      ids.map(async (id, n) => {
        const head = heads[n];
        if (head === undefined || head instanceof SessionError || head.ended !== undefined) return;
        await this.#add(call, id, batch, byId.get(id) ?? [], stopAt(head));
      }),
    );
  }

  async read(call: Call, ids: readonly SessionId[]): Promise<JournalEntry[][]> {
    const { keys } = this.#store.options;
    const found = await Promise.all(
      ids.map((id) => (isSessionId(id) ? call.get(keys.journal(id)) : undefined)),
    );
    return ids.map((id, n) =>
      journalIn(found[n]?.content).lines.map(([at, kind, text]) => ({ id, at, kind, text })),
    );
  }

  async #add(call: Call, id: SessionId, batch: string, lines: readonly Line[], until: number): Promise<void> {
    const key = this.#store.options.keys.journal(id);
    for (;;) {
      const found = await call.get(key);
      const journal = journalIn(found?.content);
      if (journal.batches.includes(batch)) return;
      const json = JSON.stringify({
        batches: [...journal.batches, batch].slice(-BATCHES_KEPT),
        lines: bounded([...journal.lines, ...lines]),
      } satisfies Journal);
      const written =
        found === undefined
          ? await call.insert(key, json, { until })
          : await call.replace(key, json, { cas: found.cas, until });
      if (typeof written === 'object') return;
    }
  }
}

/** The latest, ordered by time, and as they came among equals. */
function bounded(lines: readonly Line[]): readonly Line[] {
  const sorted = [...lines].sort(([x], [y]) => x - y).slice(-JOURNAL_MAX_ENTRIES);
  let bytes = 0;
  let first = sorted.length;
  while (first > 0) {
    bytes += Buffer.byteLength(sorted[first - 1]?.[2] ?? '');
    if (bytes > JOURNAL_MAX_BYTES) break;
    first -= 1;
  }
  return sorted.slice(first);
}

/** What is not understood counts as nothing. */
function journalIn(content: unknown): Journal {
  const { batches, lines } = (content ?? NONE) as Partial<Journal>;
  return Array.isArray(batches) && Array.isArray(lines) ? { batches, lines } : NONE;
}
