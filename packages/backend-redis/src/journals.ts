import {
  isSessionId,
  JOURNAL_MAX_BYTES,
  type JournalBatch,
  type JournalEntry,
  type SessionId,
} from '@sessionkit/session-core';
import { unstorable } from './codec.js';
import type { RedisStore } from './store.js';

/** Follows the kind of an entry whose text is JSON. */
const AS_JSON = '"';

/** One script for each session of the batch, in one round trip. */
export async function append(
  store: RedisStore,
  { batchId, entries }: JournalBatch,
  signal: AbortSignal,
): Promise<void> {
  store.check(signal);
  if (entries.length === 0) return;
  const byId = new Map<SessionId, string[]>();
  for (const { id, at, kind, text } of entries) {
    // One that is larger than a journal would drive out everything, itself included.
    if (!isSessionId(id) || Buffer.byteLength(text) > JOURNAL_MAX_BYTES) continue;
    const args = byId.get(id) ?? [];
    // Half of a surrogate pair, as texts that were cut have it, is kept as JSON has it.
    if (unstorable(text)) args.push(`${at}`, `${kind}${AS_JSON}`, JSON.stringify(text));
    else args.push(`${at}`, kind, text);
    byId.set(id, args);
  }
  const latest = await store.latest(signal);
  const commands = [...byId].map(([id, args]) =>
    store.scripts.append.command([store.keys.record(id), store.keys.journal(id)], [latest, batchId, ...args]),
  );
  await store.sendAll('append', commands, signal);
}

export async function readJournals(
  store: RedisStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<JournalEntry[][]> {
  store.check(signal);
  const commands = ids.map((id) => ['ZRANGEBYSCORE', store.keys.journal(id), '0', '+inf', 'WITHSCORES']);
  const answers = (await store.sendAll('read', commands, signal)) as (string | [string, number])[][];
  return answers.map((answer, at) => {
    const entries: JournalEntry[] = [];
    const flat = answer.flat();
    for (let n = 0; n < flat.length; n += 2)
      entries.push(entryOf(ids[at] as SessionId, `${flat[n]}`, Number(flat[n + 1])));
    return entries;
  });
}

/** An entry is its order, its kind and its text, with a blank between. */
function entryOf(id: SessionId, member: string, at: number): JournalEntry {
  const kindAt = member.indexOf(' ') + 1;
  const textAt = member.indexOf(' ', kindAt) + 1;
  const kind = member.slice(kindAt, textAt - 1);
  const text = member.slice(textAt);
  if (!kind.endsWith(AS_JSON)) return { id, at, kind: kind as JournalEntry['kind'], text };
  return { id, at, kind: kind.slice(0, -1) as JournalEntry['kind'], text: JSON.parse(text) as string };
}
