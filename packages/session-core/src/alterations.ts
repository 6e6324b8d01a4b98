import type { Millis } from './environment.js';
import type { LogParameter } from './lists.js';
import type { Head, SessionRecord } from './record.js';

/** How often operators have changed a session, and when last: what an entity tag counts. */
export interface Altered {
  readonly count: number;
  readonly at: Millis;
}

/** Where a record keeps it. No backend has a place of its own for it, and every one keeps what stands in `extra`. */
const MEMBER = 'altered';

/** Undefined when no operator has changed the session. */
export function alteredOf({ extra }: Pick<Head, 'extra'>): Altered | undefined {
  const kept = extra?.[MEMBER];
  if (!Array.isArray(kept)) return undefined;
  const [count, at] = kept as readonly unknown[];
  return typeof count === 'number' && typeof at === 'number' ? { count, at } : undefined;
}

/** What an operator sets of a session. Absent and undefined members stay as they are. */
export interface Alteration {
  readonly parameters?: Readonly<Partial<Record<LogParameter, boolean>>> | undefined;
  readonly filters?: readonly string[] | undefined;
}

/** The same record when it says all of that already. */
export function withAlteration(record: SessionRecord, change: Alteration, now: Millis): SessionRecord {
  const parameters = Object.entries(change.parameters ?? {}).filter(
    ([name, value]) => record.parameters[name as LogParameter] !== value,
  );
  const filters = change.filters ?? record.filters;
  const same = filters === record.filters || filters?.join('\n') === record.filters?.join('\n');
  if (parameters.length === 0 && same) return record;
  return counted(
    { ...record, filters, parameters: { ...record.parameters, ...Object.fromEntries(parameters) } },
    now,
  );
}

/** Filters and router are opened anew by whoever serves the session. With `reset` what operators had set is dropped. */
export function withRestart(record: SessionRecord, reset: boolean, now: Millis): SessionRecord {
  const set = reset ? { parameters: {}, filters: undefined } : {};
  return counted({ ...record, ...set, restartedAt: now }, now);
}

function counted(record: SessionRecord, at: Millis): SessionRecord {
  const count = (alteredOf(record)?.count ?? 0) + 1;
  return { ...record, extra: { ...record.extra, [MEMBER]: [count, at] } };
}
