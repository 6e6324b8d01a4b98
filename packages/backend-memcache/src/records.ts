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
import type { Found, Server } from './server.js';
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
export async function standing(
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

/** What is stored of sessions anywhere, with a fault in the place of each whose server could not be asked. */
async function reachable(
  store: MemcacheStore,
  ids: Iterable<SessionId>,
  signal: AbortSignal,
): Promise<ReadonlyMap<SessionId, Standing | SessionError>> {
  const groups = await Promise.all(
    store
      .byServer(ids)
      .map(async ([server, chunk]): Promise<(readonly [SessionId, Standing | SessionError])[]> => {
        try {
          return [...(await standing(store, server, chunk, signal))];
        } catch (error) {
          if (!(error instanceof SessionError)) throw error;
          return chunk.map((id) => [id, error]);
        }
      }),
  );
  return new Map(groups.flat());
}

export async function load(
  store: MemcacheStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<(SessionRecord | undefined | SessionError)[]> {
  store.check(signal);
  const found = await reachable(store, ids, signal);
  const { now } = store;
  const records = ids.map((id) => {
    const known = found.get(id);
    if (known instanceof SessionError) return known;
    const { record, seen } = known ?? {};
    return record === undefined || record instanceof SessionError
      ? record
      : withUse(record, seen?.value, now);
  });
  throwIfNone(records);
  return records;
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
    const { record: stored, cas, seen } = await one(store, server, id, signal);
    if (stored instanceof SessionError) throw stored;
    if (stored === undefined) return false;
    const write = writes.at(-1);
    if (write !== undefined && stored.writes.includes(write)) return true;
    if (stored.ended !== undefined || stored.version !== version - 1) return false;
    const next = merged(record, stored, lastUse(seen?.value) ?? 0);
    const value = packed(store, next);
    // The note must not go before its session, which now may live longer.
    if (stopAt(next) > stopAt(stored) && seen !== undefined)
      await server.touch(store.seen(id), store.ttl(stopAt(next), SEEN_LATE), signal);
    const refusal = await server.store(
      'cas',
      store.record(id),
      value,
      store.ttl(deadFrom(next)),
      signal,
      cas,
    );
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
  const value = packed(store, record);
  const [noted, stored] = await Promise.allSettled([
    server.store('add', store.seen(id), `${seenAt}`, store.ttl(stopAt(record), SEEN_LATE), signal),
    server.store('add', store.record(id), value, store.ttl(deadFrom(record)), signal),
  ]);
  if (stored.status === 'rejected') throw stored.reason;
  if (noted.status === 'rejected') throw noted.reason;
  return stored.value === undefined;
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
  if (batch.length === 0) return [];
  const found = await reachable(
    store,
    batch.map(({ id }) => id),
    signal,
  );
  throwIfNone([...found.values()]);
  const dead: SessionId[] = [];
  const moved: Promise<unknown>[] = [];
  for (const { id, epoch, seenAt } of batch) {
    const known = found.get(id);
    // Of what a server has that is down, and of what cannot be understood, nothing is known.
    if (known instanceof SessionError) continue;
    const { record, seen } = known ?? {};
    if (record instanceof SessionError) continue;
    if (record === undefined || record.ended !== undefined || record.epoch !== epoch) dead.push(id);
    else if (seenAt > (lastUse(seen?.value) ?? 0))
      moved.push(move(store, { ...record, seenAt }, seen, signal));
  }
  const outcomes = await Promise.allSettled(moved);
  const fault = outcomes.find((outcome) => outcome.status === 'rejected');
  if (fault !== undefined) throw fault.reason;
  return dead;
}

/** Notes a use that is later than the one noted, and lets the session stay for as long as it may now go unused. */
async function move(
  store: MemcacheStore,
  record: SessionRecord,
  noted: Found | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { id, seenAt } = record;
  const server = store.serverOf(id);
  const key = store.seen(id);
  const ttl = store.ttl(stopAt(record), SEEN_LATE);
  const stays = server.touch(store.record(id), store.ttl(deadFrom(record)), signal);
  stays.catch(() => undefined);
  let before = noted;
  while (seenAt > (lastUse(before?.value) ?? 0)) {
    // Where the last use is unknown it has been taken for now.
    const refusal =
      before === undefined
        ? await server.store('add', key, `${Math.max(seenAt, Math.floor(store.now))}`, ttl, signal)
        : await overwrite(server, key, `${seenAt}`, ttl, signal, before);
    if (refusal === undefined) break;
    before = (await server.gets([key], signal)).get(key);
  }
  await stays;
}

/** What the client could not read has no token to compare. */
function overwrite(
  server: Server,
  key: string,
  value: string,
  ttl: number,
  signal: AbortSignal,
  before: Found,
) {
  return before.value === undefined
    ? server.store('set', key, value, ttl, signal)
    : server.store('cas', key, value, ttl, signal, before.cas);
}

/** Each by compare and swap over whatever version there is, until it has won. Faults of one server do not keep the sessions of others from being ended. */
export async function end(
  store: MemcacheStore,
  ids: readonly SessionId[],
  how: Ending,
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  const found = await reachable(store, ids, signal);
  const ended: SessionId[] = [];
  const faults: unknown[] = [];
  const ending = [...found].map(async ([id, known]) => {
    // Nobody may take a session for ended that is not.
    if (known instanceof SessionError) throw known;
    if (await endOne(store, id, known, how, signal)) ended.push(id);
  });
  for (const outcome of await Promise.allSettled(ending))
    if (outcome.status === 'rejected') faults.push(outcome.reason);
  if (faults.length > 0) throw faults[0];
  return ended;
}

async function endOne(
  store: MemcacheStore,
  id: SessionId,
  known: Standing,
  { at, cause, by, keepUntil }: Ending,
  signal: AbortSignal,
): Promise<boolean> {
  const server = store.serverOf(id);
  let { record, cas, seen } = known;
  for (;;) {
    if (record === undefined) return false;
    // What nobody can read can have no end that anybody could read.
    if (record instanceof SessionError) return (await server.delete(store.record(id), signal)) === undefined;
    if (record.ended !== undefined) return false;
    const seenAt = Math.max(record.seenAt, lastUse(seen?.value) ?? 0);
    const over = { ...record, seenAt, data: ENDED_DATA, ended: { at, cause, by } };
    const value = packed(store, over);
    const refusal = await server.store('cas', store.record(id), value, store.ttl(keepUntil), signal, cas);
    if (refusal === undefined) return true;
    ({ record, cas, seen } = await one(store, server, id, signal));
  }
}

async function one(
  store: MemcacheStore,
  server: Server,
  id: SessionId,
  signal: AbortSignal,
): Promise<Standing> {
  return (await standing(store, server, [id], signal)).get(id) as Standing;
}

function packed({ options }: MemcacheStore, record: SessionRecord): string {
  return encode(record, options.names, options.maxRecordBytes - options.prefix.length - record.id.length);
}
