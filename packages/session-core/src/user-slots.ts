import type { Millis } from './environment.js';
import { SessionError } from './errors.js';
import type { SessionId } from './id.js';
import type { SessionRecord } from './record.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';

/**
 * Takes a place among the user's sessions before the login is saved. Answers who must end once it is.
 *
 * @throws SessionError `CONFLICT` (client code `too_many`) when no place is left and none is made.
 */
export async function claimSlot(
  store: Store,
  { maxPerUser }: Settings,
  record: SessionRecord,
  user: string,
): Promise<readonly SessionId[]> {
  if (maxPerUser === undefined || record.user === user) return [];
  const { service, id } = record;
  const surplus = await store.claim({ service, user, id, at: store.now(), ...maxPerUser });
  if (maxPerUser.full === 'oldest' || !surplus.includes(id)) return surplus.filter((other) => other !== id);
  throw new SessionError('CONFLICT', `the user has ${maxPerUser.max} sessions already`, {
    clientCode: 'too_many',
  });
}

/** How long a claim holds a place for a session that is not stored: for so long its login may be under way. */
const CLAIM_LAPSES: Millis = 60_000;

/**
 * Ends those for which the login that is saved now left no place; if the store fails, a little later. One that has its place and is not stored yet, since its login is
 * still under way in another process, is ended when it comes.
 */
export async function endSurplus(
  store: Store,
  { keepEnded }: Settings,
  surplus: readonly SessionId[],
  user: string,
): Promise<void> {
  if (surplus.length === 0) return;
  let left = surplus;
  try {
    const ended = new Set(await store.end(surplus, 'limit', user, keepEnded));
    left = surplus.filter((id) => !ended.has(id));
    const records = await Promise.all(left.map((id) => store.load(id)));
    left = left.filter((_, at) => records[at]?.ended === undefined);
  } catch {
    // The login is stored: it must not fail for this.
  }
  if (left.length > 0) store.endSurely(left, 'limit', user, keepEnded, store.now() + CLAIM_LAPSES);
}
