import type { Millis } from '@sessionkit/session-core';
import { AdminError } from './errors.js';

/** What tells one state of a resource from another (RFC 9110 section 8.8). */
export interface Validators {
  /** Opaque, without quotes; a strong one. */
  readonly tag: string;
  readonly modifiedAt: Millis;
}

/** The conditions that a request sets, in the order of RFC 9110 section 13.2.2. */
export interface Preconditions {
  /**
   * Checks that the request may be done to a resource in this state; undefined for one that is not told apart from its other states.
   * @throws AdminError 412
   */
  check(validators: Validators | undefined): void;
  /** Whether a reader has this state already. Asked after `check`. */
  unchanged(validators: Validators | undefined): boolean;
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function preconditionsOf({ method, headers }: Pick<Request, 'method' | 'headers'>): Preconditions {
  const ifMatch = headers.get('if-match');
  const ifNoneMatch = headers.get('if-none-match');
  const ifUnmodifiedSince = headers.get('if-unmodified-since');
  const ifModifiedSince = headers.get('if-modified-since');
  const reads = READS.has(method);
  return {
    check(validators) {
      if (ifMatch !== null) {
        if (!matches(ifMatch, validators, false)) throw failed('If-Match');
      } else if (ifUnmodifiedSince !== null && validators !== undefined) {
        // One that cannot be read is one that has failed: a writer who set a condition is not let through without it.
        if (!(seconds(validators.modifiedAt) <= dateOf(ifUnmodifiedSince)))
          throw failed('If-Unmodified-Since');
      }
      if (!reads && ifNoneMatch !== null && matches(ifNoneMatch, validators, true))
        throw failed('If-None-Match');
    },
    unchanged(validators) {
      if (!reads || validators === undefined) return false;
      if (ifNoneMatch !== null) return matches(ifNoneMatch, validators, true);
      return ifModifiedSince !== null && seconds(validators.modifiedAt) <= dateOf(ifModifiedSince);
    },
  };
}

/** The fields that tell a client of the state. */
export function validatorFields({ tag, modifiedAt }: Validators): Readonly<Record<string, string>> {
  return { ETag: `"${tag}"`, 'Last-Modified': new Date(modifiedAt).toUTCString() };
}

function failed(field: string): AdminError {
  return new AdminError(412, `${field}: the resource is not in that state. Nothing was changed.`);
}

/** Whether one tag of a list is the resource's. A weak one only where `weak`; `*` is any. */
function matches(list: string, validators: Validators | undefined, weak: boolean): boolean {
  if (list.trim() === '*') return true;
  if (validators === undefined) return false;
  // A tag may have commas in it.
  for (const [, mark, tag] of list.matchAll(/(W\/)?"([^"]*)"/g)) {
    if (tag === validators.tag && (weak || mark === undefined)) return true;
  }
  return false;
}

/** HTTP dates (RFC 9110 section 5.6.7) count in seconds. */
function seconds(at: Millis): number {
  return Math.floor(at / 1000);
}

/** In seconds; NaN for what is no date. */
function dateOf(text: string): number {
  if (/^[A-Z][a-z]+, [\w -]+ \d\d:\d\d:\d\d GMT$/.test(text)) return Date.parse(text) / 1000;
  // The form of C's asctime, which is in GMT too.
  if (/^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/.test(text))
    return Date.parse(`${text} GMT`) / 1000;
  return Number.NaN;
}
