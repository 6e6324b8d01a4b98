import type { Millis } from '@sessionkit/session-core';

/** One request, for an audit log. Holds checked input only: no header, no password, nothing of a request that was refused for its form. */
export interface AccessEntry {
  readonly at: Millis;
  /** The user whose credentials were right. */
  readonly actor: string | undefined;
  /** The existing user that wrong credentials named. */
  readonly claimed: string | undefined;
  /** Such as `sessions.end`; `unknown` when no route fits, `malformed` when it is no HTTP (then with `-` for method and target). */
  readonly action: string;
  readonly method: string;
  /** Path of what was acted on. Parameters that have a wrong form are left as `{id}`. */
  readonly target: string;
  /** The parameters that the route knows. */
  readonly query: Readonly<Record<string, unknown>> | undefined;
  /** The body of a change. */
  readonly body: unknown;
  readonly status: number;
  /** `refused`: the client's fault (4xx). `failed`: ours or the store's (5xx). */
  readonly outcome: 'ok' | 'refused' | 'failed';
  /** Until the head of the answer was ready. */
  readonly duration: Millis;
  /** Of the peer; undefined for a call in process that did not tell. */
  readonly address: string | undefined;
}

const LONGEST_SHOWN = 32;

/** A path with nothing in it that could be a token or break a line. */
export function maskedPath(path: string): string {
  return path
    .slice(0, 200)
    .split('/')
    .map((segment) =>
      /^[\w.-]*$/.test(segment) && segment.length <= LONGEST_SHOWN ? segment : '(not shown)',
    )
    .join('/');
}

/** The path of a route with its parameters filled in, masked likewise: a checked name need not be one of ours. */
export function filledPath(path: string, params: Readonly<Record<string, unknown>>): string {
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) =>
    maskedPath(encodeURIComponent(String(params[name]))),
  );
}

const SECRET = /pass|secret|token|credential|authorization|(?:^|_)key$/i;

/** Long enough for a token, and longer than an id of ours. */
const TOKEN = /[\w+/=-]{33,}/g;

/** The same with `****` for whatever stands under a name of secrets, at any depth, and for what could be a token wherever it stands. */
export function masked(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(TOKEN, '****');
  if (Array.isArray(value)) return value.map(masked);
  return typeof value === 'object' && value !== null ? maskedMembers(value) : value;
}

/** As {@link masked}, of what is known to have members. */
export function maskedMembers(value: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, SECRET.test(name) ? '****' : masked(member)]),
  );
}

export function outcomeOf(status: number): AccessEntry['outcome'] {
  if (status < 400) return 'ok';
  return status < 500 ? 'refused' : 'failed';
}
