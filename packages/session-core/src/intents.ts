import { withData, withKept, withLogin, withRotation } from './changes.js';
import type { DataChange } from './data.js';
import type { Intent } from './lanes.js';
import type { SessionRecord } from './record.js';
import type { Rotation } from './session.js';
import type { Settings } from './settings.js';

/** Changes of data. */
export function dataIntent(base: SessionRecord, changes: readonly DataChange[], settings: Settings): Intent {
  return { base, bound: true, closes: false, apply: (record) => withData(record, changes, settings) };
}

interface Login {
  readonly user: string;
  readonly hash: string;
  /** Keys of an anonymous session; all by default. */
  readonly keep: readonly string[] | undefined;
}

/** A login into the session, after the changes so far. */
export function loginIntent(
  base: SessionRecord,
  changes: readonly DataChange[],
  { user, hash, keep }: Login,
  settings: Settings,
): Intent {
  return {
    base,
    bound: true,
    closes: true,
    apply: (record, now) =>
      withLogin(
        withKept(withData(record, changes, settings), keep, settings),
        user,
        hash,
        settings.times,
        now,
      ),
  };
}

/** A login into a session that is new, with the data of `from`. */
export function newLoginIntent(
  blank: SessionRecord,
  from: SessionRecord | undefined,
  changes: readonly DataChange[],
  { user, hash, keep }: Login,
  settings: Settings,
): Intent {
  return {
    base: blank,
    bound: true,
    closes: true,
    apply: (base) => {
      const kept = from && withKept(withData(from, changes, settings), keep, settings);
      const first = kept ? { ...base, data: kept.data, dataVersion: kept.dataVersion } : base;
      return withLogin(first, user, hash, settings.times, blank.startedAt);
    },
  };
}

/** A rotation, after the changes so far. Tells each time it is applied what it does. */
export function rotationIntent(
  base: SessionRecord,
  changes: readonly DataChange[],
  hash: string,
  settings: Settings,
  tell: (outcome: Rotation) => void,
): Intent {
  return {
    base,
    bound: true,
    closes: true,
    apply: (record, now) => {
      const changed = withData(record, changes, settings);
      const rotated = withRotation(changed, hash, now);
      tell(typeof rotated === 'string' ? rotated : 'rotated');
      return typeof rotated === 'string' ? changed : rotated;
    },
  };
}
