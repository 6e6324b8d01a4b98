import {
  deadFrom,
  type Ending,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
  stopAt,
  type Touch,
} from '@sessionkit/session-core';
import { packEnded, packHead, unpack } from './codec.js';
import { addEntries, dropEntries, dueEntry } from './entries.js';
import { KEPT_LATE } from './scripts.js';
import type { RedisStore } from './store.js';

type SaveAnswer = readonly [
  outcome: 'yes' | 'no' | 'move' | 'corrupt',
  due: string,
  service: string,
  user: string,
];
type EndAnswer = readonly [place: number, service: string, user: string, stop: string];

export async function load(
  store: RedisStore,
  ids: readonly SessionId[],
  signal: AbortSignal,
): Promise<(SessionRecord | undefined | SessionError)[]> {
  store.check(signal);
  const found = await store.members(ids, true, signal);
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
  checkSize(store, head, record.data);
  const latest = await store.latest(signal);
  if (record.version === 1) {
    const entries = [
      ...addEntries(store, record, record.startedAt),
      dueEntry(store, record.id, deadFrom(record), stopAt(record)),
    ];
    const answers = await store.sendAll(
      'save',
      [...entries, command(store, record, head, latest, true)],
      signal,
    );
    return decided(record.id, answers.at(-1) as SaveAnswer);
  }
  const answer = (await store.send(
    'save',
    command(store, record, head, latest, false),
    signal,
  )) as SaveAnswer;
  if (answer[0] !== 'move') return settle(store, record, answer, signal);
  const [, , service, user] = answer;
  const entries = addEntries(store, record, Math.ceil(await store.time(signal)), {
    except: store.keys.indexes(service, user || undefined, false),
  });
  const answers = await store.sendAll(
    'save',
    [...entries, command(store, record, head, latest, true)],
    signal,
  );
  return settle(store, record, answers.at(-1) as SaveAnswer, signal);
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

function command(store: RedisStore, record: SessionRecord, head: string, latest: string, indexed: boolean) {
  return store.scripts.save.command(
    [store.keys.record(record.id)],
    [
      latest,
      `${record.version}`,
      record.writes.at(-1) ?? '',
      indexed ? '1' : '0',
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
  const keys = batch.map(({ id }) => store.keys.record(id));
  const args = batch.flatMap(({ epoch, seenAt }) => [`${epoch}`, `${seenAt}`]);
  const latest = await store.latest(signal);
  const places = (await store.send(
    'touch',
    store.scripts.touch.command(keys, [latest, ...args]),
    signal,
  )) as number[];
  return places.map((place) => (batch[place - 1] as Touch).id);
}

/** One script; then the indexes of those that it ended. */
export async function end(
  store: RedisStore,
  ids: readonly SessionId[],
  { keepUntil, ...how }: Ending,
  signal: AbortSignal,
): Promise<SessionId[]> {
  store.check(signal);
  if (ids.length === 0) return [];
  const latest = await store.latest(signal);
  const goes: Millis = keepUntil + KEPT_LATE;
  const script = store.scripts.end.command(
    ids.map((id) => store.keys.record(id)),
    [latest, packEnded(how, keepUntil), how.cause, `${goes}`, ...ids],
  );
  const done = (await store.send('end', script, signal)) as EndAnswer[];
  const commands = done.flatMap(([place, service, user, stop]) => {
    const id = ids[place - 1] as SessionId;
    const session = { id, service, user: user || undefined, endsAt: keepUntil, killAt: undefined };
    const longer = Number(stop) < keepUntil ? store.keys.indexes(service, session.user, false) : [];
    return [
      ...addEntries(store, session, how.at, { ended: true }),
      ...longer.map((key) => store.scripts.add.command([key], ['', '0', `${goes}`])),
      dueEntry(store, id, keepUntil, keepUntil),
    ];
  });
  // They have ended: what is left undone here is put right by the sweep.
  if (commands.length > 0)
    await store
      .sendAll('end', commands, signal)
      .catch((error) => store.left('the indexes of ended sessions', error));
  return done.map(([place]) => ids[place - 1] as SessionId);
}
