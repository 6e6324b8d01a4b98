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

/** Ends those for which the login that is saved now left no place; if the store fails, a little later. */
export async function endSurplus(
  store: Store,
  { keepEnded }: Settings,
  surplus: readonly SessionId[],
  user: string,
): Promise<void> {
  if (surplus.length === 0) return;
  try {
    await store.end(surplus, 'limit', user, keepEnded);
  } catch {
    // The login is stored: it must not fail for this.
    store.endSurely(surplus, 'limit', user, keepEnded);
  }
}
