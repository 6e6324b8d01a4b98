import { HUSH } from './changes.js';
import type { Millis } from './environment.js';
import { type Credential, hashSecret, parseToken, sameHash, timeOfId } from './id.js';
import type { ClientCode, EndCause } from './lists.js';
import type { SessionRecord } from './record.js';
import type { VisitRequest } from './service.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';
import type { Transport } from './transport.js';

const MAX_FUTURE: Millis = 300_000;

/** What a request presents. */
interface Presented {
  readonly transport: Transport;
  /** Tokens that have the form, each once. */
  readonly credentials: readonly Credential[];
}

/** What was found on a request: the winning transport's tokens, or why there are none. */
export type Reading =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'malformed'; readonly transport: Transport }
  /** Tokens of different sessions travel in different ways. */
  | { readonly kind: 'ambiguous' }
  | ({ readonly kind: 'presented' } & Presented);

/** What a token turns out to be. */
export type Verdict =
  | {
      readonly kind: 'open';
      readonly record: SessionRecord;
      readonly credential: Credential;
      readonly by: 'present' | 'prior';
      readonly readOnly: boolean;
    }
  /** Wrong or superseded so shortly after a change that the client may just not know yet: opens, creates and answers nothing. */
  | { readonly kind: 'hushed'; readonly code: ClientCode }
  /** Of another service: no token at all. */
  | { readonly kind: 'foreign' }
  | {
      readonly kind: 'dead';
      readonly code: ClientCode;
      readonly cause: EndCause | undefined;
      readonly record: SessionRecord | undefined;
    };

const INVALID: Verdict = { kind: 'dead', code: 'session_invalid', cause: undefined, record: undefined };

export function readRequest(transports: readonly Transport[], request: VisitRequest): Reading {
  let found: Presented | undefined;
  let malformed: Transport | undefined;
  for (const transport of transports) {
    const values = transport.read(request);
    if (values.length === 0) continue;
    const credentials: Credential[] = [];
    for (const value of values) {
      const credential = parseToken(value);
      if (credential === undefined) continue;
      if (!credentials.some(({ id, secret }) => id === credential.id && secret === credential.secret)) {
        credentials.push(credential);
      }
    }
    if (credentials.length === 0) {
      if (!transport.lenient) malformed ??= transport;
    } else if (found === undefined) {
      found = { transport, credentials };
    } else if (!credentials.every((other) => found?.credentials.some(({ id }) => id === other.id))) {
      return { kind: 'ambiguous' };
    }
  }
  if (found !== undefined) return { kind: 'presented', ...found };
  return malformed === undefined ? { kind: 'nothing' } : { kind: 'malformed', transport: malformed };
}

/** An id that is not of our time was made up; the store need not be asked. */
export function isFromTheFuture(credential: Credential, now: Millis): boolean {
  return timeOfId(credential.id) > now + MAX_FUTURE;
}

/** The secret is checked first: only who shows the right one learns anything about the session. */
export function judge(
  settings: Settings,
  store: Store,
  credential: Credential,
  record: SessionRecord | undefined,
): Verdict {
  if (record === undefined) return INVALID;
  const now = store.now();
  const hash = hashSecret(credential.secret);
  const { prior } = record;
  let by: 'present' | 'prior' = 'present';
  if (!sameHash(hash, record.secretHash)) {
    const known = prior !== undefined && sameHash(hash, prior.hash);
    const open = known && prior.kind === 'rotated' && (prior.until === undefined || now < prior.until);
    if (!open) {
      const superseded = known && prior.kind === 'superseded';
      if (!isHushed(record, now)) return INVALID;
      return { kind: 'hushed', code: superseded ? 'session_superseded' : 'session_invalid' };
    }
    by = 'prior';
  }
  if (record.service !== settings.group) return { kind: 'foreign' };
  const cause = store.causeOfDeath(record, now);
  if (cause === undefined) {
    return { kind: 'open', record, credential, by, readOnly: by === 'prior' && prior?.until !== undefined };
  }
  if (cause === 'replaced' && isHushed(record, now)) return { kind: 'hushed', code: 'session_superseded' };
  const code = cause === 'idle' || cause === 'duration' ? 'session_expired' : 'session_ended';
  return { kind: 'dead', code, cause, record };
}

/** Of several cookies of one name the one that opens wins; `ambiguous` when two open. */
export function choose(verdicts: readonly Verdict[]): Verdict | 'ambiguous' {
  const open = verdicts.filter((verdict) => verdict.kind === 'open');
  if (open.length > 1 && new Set(open.map(({ record }) => record.id)).size > 1) return 'ambiguous';
  const present = open.find(({ by }) => by === 'present');
  if (present !== undefined) return present;
  const order = ['open', 'hushed', 'foreign', 'dead'];
  const best = [...verdicts].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))[0] ?? INVALID;
  if (best.kind !== 'dead') return best;
  // Who shows the right secret of an ended session learns its cause, whatever else was planted beside it.
  return verdicts.find((verdict) => verdict.kind === 'dead' && verdict.cause !== undefined) ?? best;
}

function isHushed(record: SessionRecord, now: Millis): boolean {
  if (record.ended?.cause === 'replaced' && now < record.ended.at + HUSH) return true;
  return now < record.secretAt + HUSH;
}
