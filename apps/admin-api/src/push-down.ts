import { ID_LENGTH, isSessionId, type SessionId } from '@sessionkit/session-core';
import type { Expression } from './query/expression.js';
import type { Filter } from './query/query.js';

/** What filters ask of the store. Whatever it lets through is looked at again, so it may be too much, and never too little. */
export interface PushedDown {
  readonly user: string | undefined;
  /** Group of services, as records name it. */
  readonly group: string | undefined;
  /** The only ids that can be meant, ascending. */
  readonly ids: readonly SessionId[] | undefined;
  /** Ids are greater than this one. */
  readonly after: SessionId | undefined;
  /** And not greater than this. */
  readonly until: string | undefined;
  /** No session can fit. */
  readonly nothing: boolean;
  /** The store lets through just what the filters do. */
  readonly exact: boolean;
}

/** Texts that a value can have: one of some, or from one to another, both included. */
interface Range {
  readonly only: ReadonlySet<string> | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

const ANY: Range = { only: undefined, from: undefined, to: undefined };
const NONE: Range = { ...ANY, only: new Set() };

export interface Places {
  /** Groups of the services of that name. */
  groupOf(service: string): string;
  /** Whether sessions of the group show one service. */
  isAlone(group: string): boolean;
  readonly states: ReadonlySet<string>;
}

export function pushDown(filters: readonly Filter[], places: Places): PushedDown {
  let [user, service, state, id] = [ANY, ANY, ANY, ANY];
  let pushed = 0;
  for (const { place, expression } of filters) {
    const range = rangeOf(expression);
    const plain = expression.op === 'eq';
    if (place === 'attributes/user') {
      user = both(user, range);
      if (plain) pushed++;
    } else if (place === 'relationships/services/data/0/id') {
      service = both(service, range);
      if (plain) pushed++;
    } else if (place === 'relationships/services/data/*/id') {
      // Another of the services may fit, and that is the same group of sessions.
      service = both(service, { ...ANY, only: range.only });
    } else if (place === 'attributes/state') state = both(state, range);
    else if (place === 'id') id = both(id, range);
  }
  const groups = service.only && new Set([...service.only].map(places.groupOf));
  const states = state.only && [...state.only].filter((name) => places.states.has(name));
  const [group, otherGroup] = groups ?? [];
  const [name, otherName] = user.only ?? [];
  return {
    user: otherName === undefined ? name : undefined,
    group: otherGroup === undefined ? group : undefined,
    ids: id.only && [...id.only].filter(isSessionId).sort(),
    after: id.from === undefined ? undefined : before(id.from),
    until: id.to,
    nothing: [user.only, groups, states].some((values) => values !== undefined && [...values].length === 0),
    exact: pushed === filters.length && (group === undefined || places.isAlone(group)),
  };
}

/** What a text must be for the expression to hold. */
function rangeOf(expression: Expression): Range {
  switch (expression.op) {
    case 'eq':
      return typeof expression.value === 'string' ? { ...ANY, only: new Set([expression.value]) } : NONE;
    case 'gt':
    case 'ge':
      return typeof expression.value === 'string' ? { ...ANY, from: expression.value } : NONE;
    case 'lt':
    case 'le':
      return typeof expression.value === 'string' ? { ...ANY, to: expression.value } : NONE;
    case 'and':
      return expression.of.map(rangeOf).reduce(both, ANY);
    case 'or': {
      const sets = expression.of.map((each) => rangeOf(each).only);
      return sets.includes(undefined)
        ? ANY
        : { ...ANY, only: new Set(sets.flatMap((set) => [...(set ?? [])])) };
    }
    case 'ne':
    case 'not':
      return ANY;
  }
}

function both(a: Range, b: Range): Range {
  const common = a.only && b.only && [...a.only].filter((value) => b.only?.has(value));
  const highest = a.from === undefined || (b.from !== undefined && b.from > a.from) ? b.from : a.from;
  const lowest = a.to === undefined || (b.to !== undefined && b.to < a.to) ? b.to : a.to;
  return { only: common ? new Set(common) : (a.only ?? b.only), from: highest, to: lowest };
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** An id that all ids not less than `text` are greater than; undefined when that says nothing. */
function before(text: string): SessionId | undefined {
  let start = /^s[0-7][0-9a-hjkmnp-tv-z]*/.exec(text)?.[0].slice(0, ID_LENGTH) ?? '';
  if (start === '') return undefined;
  start = start.padEnd(ID_LENGTH, '0');
  // The predecessor, borrowing from the digits before.
  for (let at = ID_LENGTH - 1; at > 0; at--) {
    const digit = ALPHABET.indexOf(start.charAt(at));
    const lower = ALPHABET.charAt(digit === 0 ? ALPHABET.length - 1 : digit - 1);
    start = start.slice(0, at) + lower + start.slice(at + 1);
    if (digit > 0) return isSessionId(start) ? start : undefined;
  }
  return undefined;
}
