import { type Filter, type Millis, SessionError } from '@sessionkit/session-core';

export interface RateOptions {
  /** How many requests a session may send at once. Whole and above 0. */
  readonly requests: number;
  /** In what time it may send as many again, evenly one by one; ms, default 1,000. */
  readonly per?: Millis | undefined;
}

/** At least one of `rate` and `concurrency` is given. */
export interface LimitOptions {
  readonly rate?: RateOptions | undefined;
  /** How many requests of a session may be under way at a time. Whole and above 0. */
  readonly concurrency?: number | undefined;
  /** Default: the clock of the process. */
  readonly now?: (() => Millis) | undefined;
}

function toWrite(verb: string): never {
  throw new SessionError('UNSUPPORTED', `write me: ${verb}`);
}

/**
 * What each member promises stands above it in `filter.ts` of session-core. What belongs to one session is made in `open`.
 *
 * @throws SessionError `CONFIG_INVALID` for options that can't be.
 */
export function limit(options: LimitOptions): Filter {
  if (options.rate === undefined && options.concurrency === undefined)
    throw new SessionError('CONFIG_INVALID', 'rate or concurrency must be given, or nothing is limited');

  return {
    type: 'limit',
    open: () => toWrite('open'),
    diagnostics: () => toWrite('diagnostics'),
  };
}
