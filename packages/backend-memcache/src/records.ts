import {
  deadFrom,
  type Ending,
  isSessionId,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  type Touch,
} from '@sessionkit/session-core';
import { decode, encode, lastUse, withUse } from './codec.js';
import { type Found, type Server, storing, storingOver, touching } from './server.js';
import { KEPT_LATE, type MemcacheStore, throwIfNone } from './store.js';

/** The key of the last use outlives its session by so much: what is missing has been evicted, and has not gone by itself. */
const SEEN_LATE: Millis = KEPT_LATE + 60_000;
const ENDED_DATA = '{}';

/** What is stored of a session. */
interface Standing {
  /** As it was saved last; undefined where nothing is stored. */
  readonly record: SessionRecord | SessionError | undefined;
  readonly cas: string;
  readonly seen: Found | undefined;
}

/** What is stored of these sessions, which one server has; in one round trip. */
async function standing(
  store: MemcacheStore,
  server: Server,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<ReadonlyMap<SessionId, Standing>> {
  const found = await server.gets(
    ids.flatMap((id) => [store.record(id), store.seen(id)]),
    signal,
  );
  return new Map(
    ids.map((id) => {
      const own = found.get(store.record(id));
      const record = own && decode(id, own.value, store.options.names);
      return [id, { record, cas: own?.cas ?? '', seen: found.get(store.seen(id)) }];
    }),
  );
}

export async function load(
  store: MemcacheStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<(SessionRecord | undefined | SessionError)[]> {
  store.check(signal);
  const groups = await store.eachServer(ids, (server, own) => standing(store, server, own, signal));
  throwIfNone(groups.map(({ answer }) => answer));
  const { now } = store;
  const found = new Map<SessionId, SessionRecord | undefined | SessionError>();
  for (const { ids: own, answer } of groups)
    for (const id of own) {
      const { record, seen } = answer instanceof SessionError ? { record: answer } : knownOf(answer, id);
      const isRecord = record !== undefined && !(record instanceof SessionError);
      found.set(id, isRecord ? withUse(record, seen?.value, now) : record);
    }
  return ids.map((id) => found.get(id));
}

/** Version 1 by `add`, every other one by compare and swap over the version before. */
export async function save(
  store: MemcacheStore,
  record: SessionRecord,
  signal: AbortSignal,
): Promise<boolean> {
  store.check(signal);
  const { id, version, writes } = record;
  if (record.ended !== undefined)
    throw new SessionError(
      'INVALID_VALUE',
      'a session is ended by end(), not by saving a record with `ended`',
    );
  if (!isSessionId(id)) {
    if (version > 1) return false;
    throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
  }
  const server = store.serverOf(id);
  if (version === 1 && (await create(store, server, record, signal))) return true;
  for (;;) {
    const { record: stored, cas, seen } = knownOf(await standing(store, server, [id], signal), id);
    if (stored instanceof SessionError) throw stored;
    if (stored === undefined) return false;
    const write = writes.at(-1);
    if (write !== undefined && stored.writes.includes(write)) return true;
    if (stored.ended !== undefined || stored.version !== version - 1) return false;
    const next = merged(record, stored, lastUse(seen?.value) ?? 0);
    const value = packed(store, next);
    const commands = [storing('cas', store.record(id), value, store.ttl(deadFrom(next)), cas)];
    // The note must not go before its session, which now may live longer.
    if (stopAt(next) > stopAt(stored) && seen !== undefined)
      commands.unshift(touching(store.seen(id), store.ttl(stopAt(next), SEEN_LATE)));
    const refusal = (await server.change(commands, signal)).at(-1);
    if (refusal === undefined) return true;
    // Somebody was quicker: a save, which has won, or an end. What they have stored says which.
  }
}

/** False where something is stored already. */
async function create(
  store: MemcacheStore,
  server: Server,
  record: SessionRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { id, seenAt } = record;
  const note = storing('add', store.seen(id), `${seenAt}`, store.ttl(stopAt(record), SEEN_LATE));
  const value = packed(store, record);
  const refusals = await server.change(
    [note, storing('add', store.record(id), value, store.ttl(deadFrom(record)))],
    signal,
  );
  return refusals[1] === undefined;
}

/** What a save stores over what is there: the latest use, the earliest kill. */
function merged(record: SessionRecord, stored: SessionRecord, noted: Millis): SessionRecord {
  const { killAt = Number.POSITIVE_INFINITY } = stored;
  const earlier = Math.min(record.killAt ?? Number.POSITIVE_INFINITY, killAt);
  const seenAt = Math.max(record.seenAt, stored.seenAt, noted);
  return { ...record, seenAt, killAt: Number.isFinite(earlier) ? earlier : record.killAt };
}

export async function touch(
  store: MemcacheStore,
  batch: readonly Touch[],
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  const byId = new Map(batch.map((one) => [one.id, one]));
  const groups = await store.eachServer(byId.keys(), (server, ids) =>
    touchThose(
      store,
      server,
      ids.map((id) => byId.get(id) as Touch),
      signal,
    ),
  );
  throwIfNone(groups.map(({ answer }) => answer));
  // Of what a server has that is down nothing is known; what cannot be stored is nowhere.
  const dead = groups.flatMap(({ answer }) => (answer instanceof SessionError ? [] : answer));
  return [...dead, ...[...byId.keys()].filter((id) => !isSessionId(id))];
}

/** Notes uses that are later than those noted, and lets the sessions stay for as long as they may now go unused. */
async function touchThose(
  store: MemcacheStore,
  server: Server,
  touches: readonly Touch[],
  signal: AbortSignal,
): Promise<SessionId[]> {
  const dead: SessionId[] = [];
  let left = touches;
  while (left.length > 0) {
    const known = await standing(
      store,
      server,
      left.map(({ id }) => id),
      signal,
    );
    const moved: Touch[] = [];
    const commands: string[] = [];
    for (const one of left) {
      const { id, epoch } = one;
      const { record, seen } = knownOf(known, id);
      // Of what cannot be understood nothing is known.
      if (record instanceof SessionError) continue;
      if (record === undefined || record.ended !== undefined || record.epoch !== epoch) dead.push(id);
      else if (one.seenAt > (lastUse(seen?.value) ?? 0)) {
        // Where the last use is unknown it has been taken for now.
        const seenAt = seen === undefined ? Math.max(one.seenAt, Math.floor(store.now)) : one.seenAt;
        moved.push(one);
        commands.push(
          touching(store.record(id), store.ttl(deadFrom({ ...record, seenAt }))),
          storingOver(seen, store.seen(id), `${seenAt}`, store.ttl(stopAt(record), SEEN_LATE)),
        );
      }
    }
    const refusals = await server.change(commands, signal);
    left = moved.filter((_, at) => refusals[2 * at + 1] !== undefined);
  }
  return dead;
}

/** Each by compare and swap over whatever version there is, until it has won. A fault of one server does not keep the sessions of others from being ended. */
export async function end(
  store: MemcacheStore,
  ids: readonly SessionId[],
  how: Ending,
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  const groups = await store.eachServer(ids, (server, own) => endThose(store, server, own, how, signal));
  return groups.flatMap(({ answer }) => {
    // Nobody may take a session for ended that is not.
    if (answer instanceof SessionError) throw answer;
    return answer;
  });
}

async function endThose(
  store: MemcacheStore,
  server: Server,
  ids: readonly SessionId[],
  { at, cause, by, keepUntil }: Ending,
  signal: AbortSignal,
): Promise<SessionId[]> {
  const ended: SessionId[] = [];
  let left = ids;
  while (left.length > 0) {
    const known = await standing(store, server, left, signal);
    const ending: SessionId[] = [];
    const commands: string[] = [];
    for (const id of left) {
      const { record, cas, seen } = knownOf(known, id);
      if (record === undefined) continue;
      if (record instanceof SessionError) {
        // What nobody can read can have no end that anybody could read.
        ending.push(id);
        commands.push(`delete ${store.record(id)}\r\n`);
      } else if (record.ended === undefined) {
        const seenAt = Math.max(record.seenAt, lastUse(seen?.value) ?? 0);
        const over = { ...record, seenAt, data: ENDED_DATA, ended: { at, cause, by } };
        ending.push(id);
        commands.push(storing('cas', store.record(id), packed(store, over), store.ttl(keepUntil), cas));
      }
    }
    const refusals = await server.change(commands, signal);
    ended.push(...ending.filter((_, at) => refusals[at] === undefined));
    left = ending.filter((_, at) => refusals[at] === 'EXISTS');
  }
  return ended;
}

function knownOf(known: ReadonlyMap<SessionId, Standing>, id: SessionId): Standing {
  return known.get(id) ?? { record: undefined, cas: '', seen: undefined };
}

function packed({ options }: MemcacheStore, record: SessionRecord): string {
  return encode(record, options.names, options.maxRecordBytes - options.prefix.length - record.id.length);
}
