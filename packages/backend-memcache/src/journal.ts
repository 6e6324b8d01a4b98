import {
  deadFrom,
  isSessionId,
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalBatch,
  type JournalEntry,
  SessionError,
  type SessionId,
} from '@sessionkit/session-core';
import { decode } from './codec.js';
import { type Found, type Server, storingOver } from './server.js';
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
  const groups = await store.eachServer(byId.keys(), (server, ids) =>
    appendThose(store, server, batch, new Map(ids.map((id) => [id, byId.get(id) ?? []])), signal),
  );
  for (const { answer } of groups) if (answer instanceof SessionError) throw answer;
}

async function appendThose(
  store: MemcacheStore,
  server: Server,
  batch: string,
  added: ReadonlyMap<SessionId, readonly Packed[]>,
  signal: AbortSignal,
): Promise<void> {
  let left = [...added.keys()];
  while (left.length > 0) {
    const keys = left.flatMap((id) => [store.record(id), store.journal(id)]);
    const found = await server.gets(keys, signal);
    const written: SessionId[] = [];
    const commands: string[] = [];
    for (const id of left) {
      const value = found.get(store.record(id))?.value;
      const record = value === undefined ? undefined : decode(id, value, store.options.names);
      if (record === undefined || record instanceof SessionError || record.ended !== undefined) continue;
      const before = found.get(store.journal(id));
      const stored = read(before);
      if (stored.batches.includes(batch)) continue;
      const next: Stored = {
        batches: [...stored.batches, batch].slice(-BATCHES_KEPT),
        entries: bounded([...stored.entries, ...(added.get(id) ?? [])].sort(([x], [y]) => x - y)),
      };
      // Who writes into its journal uses it now.
      const ttl = store.ttl(deadFrom({ ...record, seenAt: Math.max(record.seenAt, store.now) }));
      written.push(id);
      commands.push(storingOver(before, store.journal(id), JSON.stringify(next), ttl));
    }
    const refusals = await server.change(commands, signal);
    left = written.filter((_, at) => refusals[at] !== undefined);
  }
}

export async function readJournals(
  store: MemcacheStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<JournalEntry[][]> {
  store.check(signal);
  const groups = await store.eachServer(ids, (server, own) =>
    server.gets(
      own.map((id) => store.journal(id)),
      signal,
    ),
  );
  const journals = new Map<SessionId, Stored>();
  for (const { ids: own, answer } of groups) {
    if (answer instanceof SessionError) throw answer;
    for (const id of own) journals.set(id, read(answer.get(store.journal(id))));
  }
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
