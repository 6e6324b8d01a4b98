import type { Held, Millis, SessionActivity, SessionInfo, Statement } from '@sessionkit/session-core';
import type { SessionResource } from './schemas-sessions.js';

/** What a session does and what processes hold of it; undefined where that was not asked for. */
export interface Live {
  readonly activity: SessionActivity | undefined;
  readonly held: readonly Held[] | undefined;
}

type Attributes = SessionResource['attributes'];

/** A process that has died is told of no longer than this, and neither are requests that it did not finish. */
const LEASE: Millis = 10_000;
const LEVEL_WIDTH = 7;

/** Of all processes, by server. */
export function connectionsOf({ held = [] }: Live): Attributes['connections'] {
  return held
    .flatMap(({ connections }) => connections)
    .map(({ cipher, connectionId, server }) => ({ cipher, connection_id: connectionId, server }))
    .sort((a, b) =>
      a.server === b.server ? a.connection_id - b.connection_id : a.server < b.server ? -1 : 1,
    );
}

/** Newest first. One without `completed` is running. */
export function queriesOf({ activity, held }: Live, { at }: Pick<SessionInfo, 'at'>): Attributes['queries'] {
  const statements = activity?.statements ?? [];
  return statements.filter((each) => !isLost(each, held, at)).map(query);
}

/** Oldest first, in UTC: `2024-01-05 07:24:06.123Z   info   : (ID) (SERVICE); TEXT`. */
export function logOf({ activity }: Live, { id, service }: Pick<SessionInfo, 'id' | 'service'>): string[] {
  return (activity?.lines ?? []).map(({ at, level, text }) => {
    const time = new Date(at).toISOString().replace('T', ' ');
    return `${time}   ${level.padEnd(LEVEL_WIDTH)}: (${id}) (${service}); ${text}`;
  });
}

/** Reads and writes in the last 30 s, in all processes. */
export function ioActivityOf(held: readonly Held[]): number {
  return held.reduce((sum, { ioActivity }) => sum + ioActivity, 0);
}

/** Bytes that wait in the processes. */
export function bufferedOf(held: readonly Held[]): number {
  return held.reduce((sum, { buffered }) => sum + buffered, 0);
}

/** Number of the process that has held it for longest; undefined when none does. */
export function threadOf(held: readonly Held[]): number | undefined {
  const [first] = [...held].sort((a, b) => a.since - b.since || (a.process < b.process ? -1 : 1));
  return first?.pid;
}

/** Why the filters that an operator gave it are not open, in one process or another. */
export function pendingOf(held: readonly Held[]): string | undefined {
  const reasons = new Set(held.flatMap(({ pending }) => pending ?? []));
  return reasons.size === 0 ? undefined : [...reasons].sort().join('; ');
}

function query({ statement, received, completed, responses }: Statement): Attributes['queries'][number] {
  const space = statement.indexOf(' ');
  return {
    ...(space > 0 ? { command: statement.slice(0, space) } : {}),
    ...(completed === undefined ? {} : { completed: new Date(completed).toISOString() }),
    received: new Date(received).toISOString(),
    responses: responses.map(({ server, duration }) => ({ duration: Math.round(duration), server })),
    statement,
  };
}

/** Whether it can't be running any more, although nobody has said so: the process that noted it does not hold the session. */
function isLost({ id, completed, received }: Statement, held: Live['held'], at: Millis): boolean {
  if (completed !== undefined || held === undefined || at - received < LEASE) return false;
  return !held.some(({ process }) => id.startsWith(`${process}.`));
}
