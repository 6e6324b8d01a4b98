import type { Limits } from './limits.js';
import type { Renewals } from './renewals.js';
import type { Rotations } from './rotations.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { Tally } from './tally.js';

/** What a visit shares with all others of its service. */
export interface ServiceParts {
  readonly settings: Settings;
  /** Undefined when the service is stateless. */
  readonly store: Store | undefined;
  readonly limits: Limits | undefined;
  readonly rotations: Rotations;
  readonly renewals: Renewals;
  /** Where its visits are counted from their opening until they are closed and have stored what they had to. */
  readonly visits: readonly Tally[];
}

export function begin({ visits }: ServiceParts): void {
  for (const tally of visits) tally.begin();
}

export function over({ visits }: ServiceParts): void {
  for (const tally of visits) tally.end();
}

/**
 * What may come of a visit that has no stored session: `create` at the answer, `on_write` when something is set, `never` (only a login can), `none` (the
 * path has nothing to do with sessions), or `hushed` (the client shows a token that was replaced a moment ago: only a login may overwrite
 * what it is about to learn).
 */
export type Plan = 'create' | 'on_write' | 'never' | 'none' | 'hushed';
