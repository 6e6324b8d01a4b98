import type { Held, SessionInfo } from '@sessionkit/session-core';
import { serviceRelationship, type View } from './documents-sessions.js';
import type { DraftConnection, DraftSession } from './schemas-draft.js';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const INDENT = 4;

/** A session in the flat form of the early draft. */
export function draftSession(session: SessionInfo, view: Pick<View, 'manager' | 'links'>): DraftSession {
  return {
    address: session.client.ip,
    connected: asctime(session.startedAt),
    id: session.id,
    idle: Math.max(0, Math.round((session.at - session.seenAt) / 100) / 10),
    service: servicePath(session, view),
    state: session.killAt === undefined ? 'Session ready for routing' : 'Stopping session',
    ...(session.user === undefined ? {} : { user: session.user }),
  };
}

/** The connections of a session to servers, of all processes that hold it. */
export function draftConnections(
  session: SessionInfo,
  held: readonly Held[],
  view: Pick<View, 'manager' | 'links'>,
): readonly DraftConnection[] {
  const service = servicePath(session, view);
  return held
    .flatMap(({ connections }) => connections)
    .map(({ server, statistics }) => ({
      role: 'Backend Request Handler',
      server: pathOf(view, 'servers', server),
      service,
      state: 'Connected',
      statistics: {
        buffered_writes: statistics.bufferedWrites,
        high_water_events: statistics.highWaterEvents,
        low_water_events: statistics.lowWaterEvents,
        read_bytes: statistics.readBytes,
        reads: statistics.reads,
        writes: statistics.writes,
        written_bytes: statistics.writtenBytes,
      },
    }));
}

/** Of a group that shares its sessions the first one. */
function servicePath(session: SessionInfo, view: Pick<View, 'manager' | 'links'>): string {
  const [service] = serviceRelationship(session, view).data;
  return pathOf(view, 'services', service?.id ?? session.service);
}

function pathOf({ links }: Pick<View, 'links'>, type: string, name: string): string {
  return new URL(links.to(type, name)).pathname.replace(/\/$/, '');
}

/** As C's `asctime` writes it, in UTC: `Wed Aug 31 03:03:12 2016`, the day of the month padded with a space. */
export function asctime(time: number): string {
  const date = new Date(time);
  const day = String(date.getUTCDate()).padStart(2);
  const clock = date.toISOString().slice(11, 19);
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${clock} ${date.getUTCFullYear()}`;
}

/** The members of a flat document that `fields` names; all of them when it names nothing. */
export function pickMembers<T extends object>(
  document: T,
  fields: ReadonlySet<string> | undefined,
): Partial<T> {
  if (fields === undefined) return document;
  return Object.fromEntries(Object.entries(document).filter(([name]) => fields.has(name))) as Partial<T>;
}

/** The rows from one to another, both included, counted from zero. Stops its source when it has them. */
export async function* cutRange<T>(
  lists: AsyncIterable<readonly T[]>,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<readonly T[], void, void> {
  let seen = 0;
  for await (const list of lists) {
    yield list.slice(Math.max(0, from - seen), Math.max(0, to + 1 - seen));
    seen += list.length;
    if (seen > to) return;
  }
}

/** The text of a bare JSON array in pieces, as `JSON.stringify` writes the whole. Holds one list of rows at a time; an empty piece is a chance to stop. */
export async function* renderArray(
  lists: AsyncIterable<readonly unknown[]>,
  pretty: boolean,
): AsyncGenerator<string, void, void> {
  const end = pretty ? '\n]' : ']';
  let first = true;
  for await (const list of lists) {
    if (list.length === 0) {
      yield '';
      continue;
    }
    const text = JSON.stringify(list, null, pretty ? INDENT : undefined);
    yield `${first ? '[' : ','}${text.slice(1, -end.length)}`;
    first = false;
  }
  yield first ? '[]' : end;
}
