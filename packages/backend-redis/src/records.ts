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
import {
  checkNames,
  namesHalfPairs,
  packEnded,
  packHead,
  type ReadMembers,
  unpack,
  unstorable,
} from './codec.js';
import { addEntries, dropEntries, dueEntry, keepEntries } from './entries.js';
import type { ScriptCommand } from './script.js';
import { KEPT_LATE } from './scripts.js';
import { type RedisStore, throwIfNone } from './store.js';

type SaveAnswer = readonly [
  outcome: 'yes' | 'no' | 'move' | 'corrupt',
  /** When it is due now, or '' for no change; with `move` the end that it had. */
  time: string,
  service: string,
  user: string,
];
/** What a script found in place of what it was told: another service or user, which may have changed meanwhile. */
interface Standing {
  readonly id: SessionId;
  /** It has ended already. */
  readonly over: boolean;
  readonly service: string;
  readonly user: string;
  /** The end that no use can move; 0 when it is not known. */
  readonly stop: Millis;
}
type EndAnswer = readonly [place: number, outcome: 'ended' | 'moved', service: string, user: string];

export async function load(
  store: RedisStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<(SessionRecord | undefined | SessionError)[]> {
  store.check(signal);
  const found = await store.reachable(ids, 'all', signal);
  return found.map((members, at) =>
    members instanceof SessionError ? members : unpack(ids[at] as SessionId, members),
  );
}

/**
 * One script. A new session's index entries go ahead of it in the same round trip; where the user has changed, the script asks for them first.
 */
export async function save(store: RedisStore, record: SessionRecord, signal: AbortSignal): Promise<boolean> {
  store.check(signal);
  if (record.ended !== undefined)
    throw new SessionError(
      'INVALID_VALUE',
      'a session is ended by end(), not by saving a record with `ended`',
    );
  const head = packHead(record);
  checkTexts(record, head);
  checkSize(store, head, record.data);
  const latest = await store.latest(signal);
  // Entries go ahead of their session: who is killed between them leaves entries without it, which lists drop, and never a session that no list finds.
  const stored = async (entries: readonly ScriptCommand[], indexed: boolean): Promise<SaveAnswer> => {
    const script = command(store, record, head, latest, indexed);
    const [answer] = await store.inTurn('save', entries, [script], signal, store.options.durable);
    if (answer instanceof SessionError) throw answer;
    return answer as SaveAnswer;
  };
  if (record.version === 1) {
    const entries = [
      ...addEntries(store, record, record.startedAt),
      dueEntry(store, record.id, deadFrom(record), stopAt(record)),
    ];
    store.doubts.met(record.service);
    try {
      return decided(record.id, await stored(entries, true));
    } catch (error) {
      store.doubts.note(record);
      throw error;
    }
  }
  const answer = await stored([], false);
  if (answer[0] !== 'move') return settle(store, record, answer, signal);
  const entries = movedEntries(store, record, answer, await store.time(signal));
  return settle(store, record, await stored(entries, true), signal);
}

/** The indexes that a session comes into by a change of user or service; where it ends later by that, those too in which it stays live as long. */
function movedEntries(
  store: RedisStore,
  record: SessionRecord,
  [, endedAt, service, user]: SaveAnswer,
  now: Millis,
): ScriptCommand[] {
  const before = store.keys.indexes(service, user || undefined, false);
  const entries = addEntries(store, record, Math.ceil(now), { except: before });
  const stop = stopAt(record);
  if (Number(endedAt) >= stop) return entries;
  const kept = store.keys.indexes(record.service, record.user, false).filter((key) => before.includes(key));
  return [
    ...entries,
    ...keepEntries(kept, stop, store.scripts.add),
    dueEntry(store, record.id, deadFrom(record), stop),
  ];
}

/** What a save leaves to be done in the indexes, which seldom is anything: the session is due earlier, or its user is another. */
async function settle(
  store: RedisStore,
  record: SessionRecord,
  answer: SaveAnswer,
  signal: AbortSignal,
): Promise<boolean> {
  if (!decided(record.id, answer)) return false;
  const [, due, service, user] = answer;
  const commands = [];
  if (due !== '') commands.push(['ZADD', store.keys.due, 'LT', due, record.id]);
  if (user !== (record.user ?? '') || service !== record.service) {
    const kept = new Set(store.keys.indexes(record.service, record.user, false));
    commands.push(
      ...dropEntries(
        record.id,
        store.keys.indexes(service, user || undefined, false).filter((key) => !kept.has(key)),
      ),
    );
  }
  // The session is stored: what is left undone here is put right by whoever lists or sweeps.
  if (commands.length > 0)
    await store
      .sendAll('save', commands, signal)
      .catch((error) => store.left('the indexes of a saved session', error));
  return true;
}

function decided(id: SessionId, [outcome]: SaveAnswer): boolean {
  if (outcome === 'corrupt')
    throw new SessionError('RECORD_CORRUPT', `what Redis holds for the session ${id} cannot be understood`);
  return outcome === 'yes';
}

function command(store: RedisStore, record: SessionRecord, head: string, latest: string, inIndexes: boolean) {
  return store.scripts.save.command(
    [store.keys.record(record.id)],
    [
      latest,
      `${record.version}`,
      record.writes.at(-1) ?? '',
      inIndexes ? '1' : '0',
      head,
      `${record.seenAt}`,
      record.killAt === undefined ? '' : `${record.killAt}`,
      `${record.epoch}`,
      record.data,
      record.user ?? '',
      record.service,
      record.client.ip,
      `${record.startedAt}`,
      `${record.endsAt}`,
      record.id,
    ],
  );
}

/** What Redis, or the scripts in it, would read otherwise than it was written. */
function checkTexts(record: SessionRecord, head: string): void {
  const { id, service, user, client, data } = record;
  if (record.version === 1 && !isSessionId(id))
    throw new SessionError('INVALID_VALUE', 'the id has not the form of a session id');
  if (service === '' || user === '' || namesHalfPairs(head)) {
    checkNames({ service, user });
    throw new SessionError(
      'INVALID_VALUE',
      'what is known of the client has half of a surrogate pair, which Redis cannot keep',
    );
  }
  if (unstorable(client.ip) || unstorable(data))
    throw new SessionError(
      'INVALID_VALUE',
      'the data or the address of the client has half of a surrogate pair, which Redis cannot keep',
    );
}

function checkSize(store: RedisStore, head: string, data: string): void {
  const most = store.options.maxRecordBytes;
  if ((head.length + data.length) * 3 <= most) return;
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(data);
  if (bytes > most)
    throw new SessionError(
      'RECORD_TOO_LARGE',
      `a session of ${bytes} bytes is larger than maxRecordBytes, ${most}`,
    );
}

export async function touch(
  store: RedisStore,
  batch: readonly Touch[],
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  if (batch.length === 0) return [];
  const latest = await store.latest(signal);
  const groups = store.bySlot(batch, ({ id }) => id);
  const commands = groups.map((touches) =>
    store.scripts.touch.command(
      touches.map(({ id }) => store.keys.record(id)),
      [latest, ...touches.flatMap(({ epoch, seenAt }) => [`${epoch}`, `${seenAt}`])],
    ),
  );
  const answers = await store.sendEach('touch', commands, signal);
  throwIfNone(answers);
  return groups.flatMap((touches, n) => {
    const answer = answers[n];
    // Nothing is known of what a server that is down holds.
    if (answer instanceof SessionError) return [];
    return (answer as number[]).map((place) => (touches[place - 1] as Touch).id);
  });
}

/**
 * Two round trips: whose the sessions are; then their entries among the ended ones and, behind those, one script that ends them. It leaves alone a session whose user changed
 * between the two, which is then tried again.
 */
export async function end(
  store: RedisStore,
  ids: readonly SessionId[],
  ending: Ending,
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  const found = await store.members(ids, 'head', signal);
  const ended: SessionId[] = [];
  const { durable } = store.options;
  let left = ids.flatMap((id, at) => standing(id, found[at] as ReadMembers | SessionError, durable) ?? []);
  while (left.length > 0) {
    const moved: Standing[] = [];
    for (const [one, outcome, service, user] of await endThose(store, left, ending, signal)) {
      if (outcome === 'ended') ended.push(one.id);
      else moved.push({ ...one, service, user });
    }
    left = moved;
  }
  return ended;
}

/**
 * Undefined for what is not there, is no session at all, or has ended; where ends are durable the replicas have to have that one too. One that is damaged can be ended, but
 * nobody can say whose it is.
 */
function standing(
  id: SessionId,
  members: ReadMembers | SessionError,
  durable: boolean,
): Standing | undefined {
  if (members instanceof SessionError) return undefined;
  const [head = null, , , ended = null] = members;
  const over = ended !== null;
  if (head === null || (over && !durable)) return undefined;
  const record = unpack(id, members);
  const known = record !== undefined && !(record instanceof SessionError);
  if (over || !known) return { id, over, service: '', user: '', stop: 0 };
  return { id, over, service: record.service, user: record.user ?? '', stop: stopAt(record) };
}

async function endThose(
  store: RedisStore,
  sessions: readonly Standing[],
  { keepUntil, ...how }: Ending,
  signal: AbortSignal,
): Promise<(readonly [Standing, 'ended' | 'moved', string, string])[]> {
  const latest = await store.latest(signal);
  const now = Math.ceil(await store.time(signal));
  const goes: Millis = keepUntil + KEPT_LATE;
  const { addEnded } = store.scripts;
  const entries = sessions.flatMap(({ id, over, service, user, stop }) => {
    if (over) return [];
    const session = { id, service, user: user || undefined, endsAt: keepUntil, killAt: undefined };
    const longer = stop < keepUntil ? store.keys.indexes(service, session.user, false) : [];
    return [
      ...addEntries(store, session, now, { ended: true }),
      ...keepEntries(longer, keepUntil, addEnded),
      dueEntry(store, id, keepUntil, keepUntil, addEnded),
    ];
  });
  const groups = store.bySlot(sessions, ({ id }) => id);
  const scripts = groups.map((those) =>
    store.scripts.end.command(
      those.map(({ id }) => store.keys.record(id)),
      [
        latest,
        packEnded(how, keepUntil),
        how.cause,
        `${goes}`,
        ...those.flatMap(({ id, service, user }) => [id, service, user]),
      ],
    ),
  );
  const answers = await store.inTurn('end', entries, scripts, signal, store.options.durable);
  return groups.flatMap((those, n) => {
    const answer = answers[n];
    // Nobody may take a session for ended that is not.
    if (answer instanceof SessionError) throw answer;
    return (answer as EndAnswer[]).map(
      ([place, ...found]) => [those[place - 1] as Standing, ...found] as const,
    );
  });
}
