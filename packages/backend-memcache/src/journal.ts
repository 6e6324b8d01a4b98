import {
  deadFrom,
  isSessionId,
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
  type SessionId,
} from '@sessionkit/session-core';
import { decode } from './codec.js';
import type { Found } from './server.js';
import { digest, type MemcacheStore } from './store.js';

/** So many batches a journal knows again. */
const BATCHES_KEPT = 32;

type Packed = readonly [at: number, kind: JournalEntry['kind'], text: string];

/** A journal as it is stored: which batches came last, and the entries in their order. */
interface Stored {
  readonly batches: readonly string[];
  readonly entries: readonly Packed[];
}

const EMPTY: Stored = { batches: [], entries: [] };

/** A journal is one value beside its session, written by compare and swap; sessions of a batch go side by side. */
export async function append(
  store: MemcacheStore,
  { batchId, entries }: JournalBatch,
  signal: AbortSignal,
): Promise<void> {
  store.check(signal);
  const byId = new Map<SessionId, Packed[]>();
  for (const { id, at, kind, text } of entries) {
    // One that is larger than a journal would drive out everything, itself included.
    if (!isSessionId(id) || Buffer.byteLength(text) > JOURNAL_MAX_BYTES) continue;
    const own = byId.get(id) ?? [];
    own.push([at, kind, text]);
    byId.set(id, own);
  }
  const batch = digest(batchId).slice(0, 11);
  const outcomes = await Promise.allSettled(
    [...byId].map(([id, own]) => appendOne(store, id, batch, own, signal)),
  );
  const fault = outcomes.find((outcome) => outcome.status === 'rejected');
  if (fault !== undefined) throw fault.reason;
}

async function appendOne(
  store: MemcacheStore,
  id: SessionId,
  batch: string,
  added: readonly Packed[],
  signal: AbortSignal,
): Promise<void> {
  const server = store.serverOf(id);
  const key = store.journal(id);
  for (;;) {
    const found = await server.gets([store.record(id), key], signal);
    const value = found.get(store.record(id))?.value;
    const record = value === undefined ? undefined : decode(id, value, store.options.names);
    if (record === undefined || record instanceof Error || record.ended !== undefined) return;
    const before = found.get(key);
    const stored = read(before);
    if (stored.batches.includes(batch)) return;
    const next = JSON.stringify({
      batches: [...stored.batches, batch].slice(-BATCHES_KEPT),
      entries: bounded([...stored.entries, ...added].sort(([x], [y]) => x - y)),
    } satisfies Stored);
    // Who writes into its journal uses it now.
    const ttl = store.ttl(deadFrom({ ...record, seenAt: Math.max(record.seenAt, store.now) }));
    const refusal =
      before === undefined
        ? await server.store('add', key, next, ttl, signal)
        : before.value === undefined
          ? await server.store('set', key, next, ttl, signal)
          : await server.store('cas', key, next, ttl, signal, before.cas);
    if (refusal === undefined) return;
  }
}

export async function readJournals(
  store: MemcacheStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<JournalEntry[][]> {
  store.check(signal);
  const groups = await Promise.all(
    store.byServer(ids).map(async ([server, chunk]) => {
      const found = await server.gets(
        chunk.map((id) => store.journal(id)),
        signal,
      );
      return chunk.map((id) => [id, read(found.get(store.journal(id)))] as const);
    }),
  );
  const journals = new Map(groups.flat());
  return ids.map((id) =>
    (journals.get(id)?.entries ?? []).map(([at, kind, text]) => ({ id, at, kind, text })),
  );
}

/** The latest that the bounds have room for. */
function bounded(entries: readonly Packed[]): readonly Packed[] {
  const latest = entries.slice(-JOURNAL_MAX_ENTRIES);
  let bytes = 0;
  let first = latest.length;
  while (first > 0) {
    bytes += Buffer.byteLength(latest[first - 1]?.[2] ?? '');
    if (bytes > JOURNAL_MAX_BYTES) break;
    first -= 1;
  }
  return latest.slice(first);
}

/** What cannot be understood is begun anew: a journal is no record. */
function read(found: Found | undefined): Stored {
  if (found?.value === undefined) return EMPTY;
  try {
    const { batches, entries } = JSON.parse(found.value) as Stored;
    const sound =
      Array.isArray(batches) &&
      Array.isArray(entries) &&
      entries.every(
        (entry) =>
          Array.isArray(entry) &&
          Number.isFinite(entry[0]) &&
          (entry[1] === 'log' || entry[1] === 'request') &&
          typeof entry[2] === 'string',
      );
    return sound ? { batches, entries } : EMPTY;
  } catch {
    return EMPTY;
  }
}
