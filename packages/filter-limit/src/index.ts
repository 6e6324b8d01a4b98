import {
  type Exchange,
  events,
  type Filter,
  type FilterSession,
  type FilterTarget,
  type Millis,
  SessionError,
} from '@sessionkit/session-core';
import { type Bucket, bucketOf } from './bucket.js';
import { refuse } from './refusal.js';

/** At most one line in this time tells of the refused requests of a session. */
const QUIET: Millis = 60_000;

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

/**
 * Refuses the requests of a session that are too many in a time, or too many at a time, with 429 (RFC 6585 section 4), `Retry-After` and a problem document (RFC 9457). What
 * is refused is not counted.
 *
 * @throws SessionError `CONFIG_INVALID` for limits that are none.
 */
export function limit(options: LimitOptions): Filter {
  const { rate, concurrency, now = Date.now } = options;
  const per = rate?.per ?? 1_000;
  check(options, per);
  const seen = { running: 0, passed: 0, refusedByRate: 0, refusedByConcurrency: 0 };

  const open = (target: FilterTarget): FilterSession => {
    const bucket: Bucket | undefined = rate && bucketOf(rate.requests, per, now());
    let running = 0;
    let toldAt: Millis | undefined;

    const tooMany = (exchange: Exchange, wait: Millis, what: string) => {
      const at = now();
      if (toldAt === undefined || Math.abs(at - toldAt) >= QUIET) {
        toldAt = at;
        target.log('notice', `requests are refused: more than ${what}`);
      }
      const { service = target.service } = exchange;
      if (events.refused.hasSubscribers) events.refused.publish({ service, code: 'too_many' });
      refuse(exchange, wait);
    };

    return {
      async handle(exchange, next) {
        if (concurrency !== undefined && running >= concurrency) {
          seen.refusedByConcurrency += 1;
          tooMany(exchange, 0, `${concurrency} at a time`);
          return;
        }
        const wait = bucket?.take(now());
        if (wait !== undefined) {
          seen.refusedByRate += 1;
          tooMany(exchange, wait, `${rate?.requests} in ${per / 1000} s`);
          return;
        }
        seen.passed += 1;
        seen.running += 1;
        running += 1;
        try {
          await next();
        } finally {
          running -= 1;
          seen.running -= 1;
        }
      },
      close() {},
    };
  };

  return {
    type: 'limit',
    open,
    diagnostics: () => ({
      passed: seen.passed,
      refused_by_concurrency: seen.refusedByConcurrency,
      refused_by_rate: seen.refusedByRate,
      running: seen.running,
    }),
  };
}

function check({ rate, concurrency }: LimitOptions, per: Millis): void {
  if (rate === undefined && concurrency === undefined)
    throw new SessionError('CONFIG_INVALID', 'rate or concurrency must be given, or nothing is limited');
  const whole = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new SessionError('CONFIG_INVALID', `${name} must be a whole number above 0, not ${value}`);
  };
  whole('rate.requests', rate?.requests);
  whole('concurrency', concurrency);
  if (!(per > 0 && Number.isFinite(per)))
    throw new SessionError('CONFIG_INVALID', `rate.per must be above 0 ms, not ${per}`);
}
