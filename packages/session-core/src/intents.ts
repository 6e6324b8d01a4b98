import { withData, withLogin, withRotation } from './changes.js';
import type { DataChange } from './data.js';
import type { Intent } from './lanes.js';
import type { SessionRecord } from './record.js';
import type { Rotation } from './session.js';
import type { Settings } from './settings.js';

/** Changes of data. */
export function dataIntent(
  base: SessionRecord,
  changes: readonly DataChange[],
  { times, maxData }: Settings,
): Intent {
  return { base, bound: true, closes: false, apply: (record) => withData(record, changes, times, maxData) };
}

/** A login into the session, after the changes so far. */
export function loginIntent(
  base: SessionRecord,
  changes: readonly DataChange[],
  login: { readonly user: string; readonly hash: string; readonly keep: readonly string[] | undefined },
  { times, maxData }: Settings,
): Intent {
  const { user, hash, keep } = login;
  return {
    base,
    bound: true,
    closes: true,
    apply: (record, now) =>
      withLogin(withData(record, changes, times, maxData), user, hash, keep, times, now),
  };
}

/** A rotation, after the changes so far. Tells each time it is applied what it does. */
export function rotationIntent(
  base: SessionRecord,
  changes: readonly DataChange[],
  hash: string,
  { times, maxData }: Settings,
  tell: (outcome: Rotation) => void,
): Intent {
  return {
    base,
    bound: true,
    closes: true,
    apply: (record, now) => {
      const changed = withData(record, changes, times, maxData);
      const rotated = withRotation(changed, hash, now);
      tell(typeof rotated === 'string' ? rotated : 'rotated');
      return typeof rotated === 'string' ? changed : rotated;
    },
  };
}
