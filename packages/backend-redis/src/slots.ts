import {
  type Claim,
  deadFrom,
  type Millis,
  SessionError,
  type SessionId,
  type SessionRecord,
} from '@sessionkit/session-core';
import { checkNames, unpack } from './codec.js';
import { idOf } from './entries.js';
import type { RedisStore } from './store.js';

/** How long a claim without its session holds a place. */
const CLAIM_LAPSES: Millis = 60_000;

/**
 * Three round trips: the claims and the sessions of the user; what those sessions are now; then one script, atomic for the user, that takes out the free places, counts and adds.
 * A place that becomes free between them counts as taken, one that is taken between them is seen.
 */
export async function claim(store: RedisStore, wanted: Claim, signal: AbortSignal): Promise<SessionId[]> {
  store.check(signal);
  const { service, user, id, at, max, full } = wanted;
  checkNames({ service, user });
  const places = store.keys.places(service, user);
  const [waiting, members] = (await store.sendAll(
    'claim',
    [
      store.scripts.claims.command([places], []),
      ['ZRANGEBYLEX', store.keys.index({ user }, false), '-', '+'],
    ],
    signal,
  )) as [string[], string[]];
  const claims = new Map<SessionId, string>();
  for (let n = 0; n < waiting.length; n += 2) claims.set(waiting[n] as SessionId, waiting[n + 1] ?? '');
  const ids = [...new Set([...claims.keys(), ...members.map(idOf)])];
  const found = await store.members(ids, 'head', signal);

  const free: string[] = [];
  const taken: string[] = [];
  for (const [n, session] of ids.entries()) {
    const read = found[n];
    const record = read === undefined || read instanceof SessionError ? read : unpack(session, read);
    const claimed = claims.get(session);
    if (holds(record, claimed, wanted)) {
      if (record !== undefined && !(record instanceof SessionError))
        taken.push(session, `${record.startedAt}`);
    } else if (claimed !== undefined) free.push(session, claimed);
  }
  const latest = await store.latest(signal);
  const args = [latest, id, `${at}`, `${max}`, full, `${free.length / 2}`, ...free, ...taken];
  return (await store.send('claim', store.scripts.claim.command([places], args), signal)) as SessionId[];
}

/** Whether a session has a place: it is the user's and lives, or it was claimed not long ago and may become the user's. */
function holds(
  record: SessionRecord | SessionError | undefined,
  claimed: string | undefined,
  { service, user, at }: Claim,
): boolean {
  const waits = claimed !== undefined && at - Number(claimed) < CLAIM_LAPSES;
  if (record === undefined) return waits;
  if (record instanceof SessionError) return claimed !== undefined;
  if (record.ended !== undefined || at >= deadFrom(record) || record.service !== service) return false;
  return record.user === undefined ? waits : record.user === user;
}
