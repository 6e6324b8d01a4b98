import { randomUUID } from 'node:crypto';
import { type Millis, SessionError, type SessionId } from '@sessionkit/session-core';
import type { Command } from './client.js';
import { dropEntries } from './entries.js';
import type { ScriptCommand } from './script.js';
import type { RedisStore } from './store.js';

const LOCKED_FOR: Millis = 30_000;

type SweepAnswer =
  | readonly ['absent']
  | readonly ['later', due: string]
  | readonly ['gone', service: string, user: string];

/**
 * Goes through what is due, one process at a time: another one that comes meanwhile finds nothing to do. Records go first, then their index entries. First of all each process
 * takes back what its own first saves have left that came to nothing.
 */
export async function sweep(
  store: RedisStore,
  deadBefore: Millis,
  limit: number,
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  await store.doubts
    .settle(store, signal)
    .catch((error) => store.left('the indexes of sessions that never came to be', error));
  const { sweeper } = store.keys;
  const own = randomUUID();
  const lock = store.scripts.lock.command([sweeper], [own, `${LOCKED_FOR}`]);
  const taken = await store.send('sweep', lock, signal);
  if (taken === null) return [];
  const swept: SessionId[] = [];
  try {
    for (;;) {
      const due = await step(store, deadBefore, limit - swept.length, swept, signal);
      if (due === 0 || swept.length >= limit) return swept;
    }
  } finally {
    // Its lease runs out anyway.
    await store.send('sweep', store.scripts.release.command([sweeper], [own])).catch(() => 0);
  }
}

/** Settles at most `most` of what is due; answers how many there were. */
async function step(
  store: RedisStore,
  deadBefore: Millis,
  most: number,
  swept: SessionId[],
  signal: AbortSignal,
): Promise<number> {
  const { keys } = store;
  const range = ['ZRANGEBYSCORE', keys.due, '-inf', `(${deadBefore}`, 'LIMIT', '0', `${most}`];
  const ids = (await store.send('sweep', range, signal)) as SessionId[];
  if (ids.length === 0) return 0;
  const groups = store.bySlot(ids, (id) => id);
  const scripts = groups.map((those) => {
    const both = those.flatMap((id) => [keys.record(id), keys.journal(id)]);
    return store.scripts.sweep.command(both, [`${deadBefore}`]);
  });
  const answers = (await store.sendAll('sweep', scripts, signal)).flat() as SweepAnswer[];
  const commands: (Command | ScriptCommand)[] = [];
  const later: string[] = [];
  const settled: Command[] = [];
  for (const [at, id] of groups.flat().entries()) {
    const [outcome, ...rest] = answers[at] as SweepAnswer;
    if (outcome === 'later') {
      // One that cannot be understood is looked at again a day later, until its key goes.
      later.push(rest[0] || `${Math.ceil(deadBefore + 86_400_000)}`, id);
      continue;
    }
    const [service, user] = outcome === 'gone' ? rest : [];
    const indexes = service === undefined ? indexesOfNobody(store) : allIndexes(store, service, user);
    // What is due is met again until all else is done.
    commands.push(...dropEntries(id, indexes));
    settled.push(['ZREM', keys.due, id]);
    if (outcome === 'gone') swept.push(id);
  }
  if (later.length > 0) commands.push(store.scripts.defer.command([keys.due], later));
  for (const answer of await store.inTurn('sweep', commands, settled, signal))
    if (answer instanceof SessionError) throw answer;
  return ids.length;
}

function allIndexes(store: RedisStore, service: string, user: string | undefined): string[] {
  const of = user || undefined;
  return [...store.keys.indexes(service, of, false), ...store.keys.indexes(service, of, true)];
}

/** Of a session that is not there nobody can say whose it was: its service is one of those that are known here, and counts of a user look at the sessions. */
function indexesOfNobody({ keys, doubts }: RedisStore): string[] {
  const all = [{}, ...[...doubts.services].map((service) => ({ service }))];
  return all.flatMap((dimension) => [keys.index(dimension, false), keys.index(dimension, true)]);
}
