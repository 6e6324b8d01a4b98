import { isSessionId, type SessionId, type SessionInfo } from '@sessionkit/session-core';
import { STATES, sessionResource, sessionValidators, type View } from './documents-sessions.js';
import { LiveRows, readLive, unknownOf } from './live-rows.js';
import type { Validators } from './preconditions.js';
import { type Places, type PushedDown, pushDown } from './push-down.js';
import type { Resource, Source, Wanted } from './query/collection.js';
import { parseCollectionQuery } from './query/query.js';
import type { NamesOf } from './rdns.js';
import { wantsNames } from './request.js';
import type { Call } from './route.js';

/** Where the routes of sessions get their documents from: the sessions of the manager, and in tests others. */
export interface SessionDocuments<Id extends string = string> {
  isId(text: string): text is Id;
  find(id: Id, call: Call): Promise<SessionDocument | undefined>;
  source(call: Call): Source;
}

interface SessionDocument {
  readonly resource: Resource;
  readonly validators?: Validators | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** Rows asked of the stores at a time. */
const PAGE = 500;
/** Rows written at a time: their text stays below what the garbage collector treats as a large object. */
const PIECE = 50;

export const managerDocuments: SessionDocuments<SessionId> = {
  isId: isSessionId,

  async find(id, call) {
    const detail = await call.manager.inspect(id);
    if (detail === undefined) return undefined;
    const { info, dataBytes: bytes } = detail;
    const data = detail.data();
    const weight = {
      bytes,
      keys: Object.keys(data),
      data: call.showData && call.activity ? data : undefined,
    };
    const [names, live] = await Promise.all([
      namesOf(call)?.([info.client.ip]),
      readLive([id], call.manager, { activity: call.activity, held: true }),
    ]);
    return {
      resource: sessionResource(info, { ...call, names }, live(id), weight),
      validators: sessionValidators(info),
      meta: { unknown: unknownOf(call, info.service) },
    };
  },

  source(call) {
    const places = placesOf(call);
    const { filters } = parseCollectionQuery(call.query);
    const { group, user } = pushDown(filters, places);
    const known: Known = { size: undefined };
    const size = async () => known.size ?? call.manager.count({ service: group, user });
    const live = new LiveRows(call, call.query, size);
    let shown: Shown | undefined;
    return {
      self: call.links.sessions(),
      get meta() {
        return { unknown: live.unknown };
      },
      async count(filters) {
        const { nothing, exact, group, user } = pushDown(filters, places);
        if (nothing) return 0;
        return exact ? call.manager.count({ service: group, user }) : undefined;
      },
      async *rows(wanted) {
        const pages = sessionsOf(pushDown(wanted.filters, places), wanted, call, known);
        for await (const piece of piecesOf(pages, call)) {
          shown = piece;
          const { sessions, view } = piece;
          const now = live.early ? await live.of(sessions) : undefined;
          yield sessions.map((session) => sessionResource(session, view, now?.(session.id)));
        }
      },
      async complete(rows) {
        if (live.early || rows.length === 0 || shown === undefined) return rows;
        const { sessions, view } = shown;
        const sent = new Set(rows.map(({ id }) => id));
        const chosen = sessions.filter(({ id }) => sent.has(id));
        const now = await live.of(chosen);
        if (now === undefined) return rows;
        return chosen.map((session) => sessionResource(session, view, now(session.id)));
      },
    };
  },
};

/** What the first page tells of the length of the list; undefined while there may be more. */
interface Known {
  size: number | undefined;
}

/** Sessions whose documents are made together. */
interface Shown {
  readonly sessions: readonly SessionInfo[];
  readonly view: View;
}

async function* piecesOf(
  pages: AsyncGenerator<readonly SessionInfo[], void, void>,
  call: Call,
): AsyncGenerator<Shown, void, void> {
  const look = namesOf(call);
  for await (const page of pages) {
    if (page.length === 0) yield { sessions: page, view: call };
    const names = await look?.(page.map(({ client }) => client.ip));
    const view: View = names === undefined ? call : { ...call, names };
    for (let from = 0; from < page.length; from += PIECE)
      yield { sessions: page.slice(from, from + PIECE), view };
  }
}

/** Looks up host names for this request, where it asks for them. */
function namesOf({ rdns, query }: Call): NamesOf | undefined {
  return wantsNames(query) ? rdns.begin() : undefined;
}

/** Ascending by id, a page of the store at a time. */
function sessionsOf(
  pushed: PushedDown,
  { after, limit = Number.POSITIVE_INFINITY }: Wanted,
  { manager }: Call,
  known: Known,
): AsyncGenerator<readonly SessionInfo[], void, void> {
  const from = latest(after, pushed.after);
  if (pushed.nothing) return none();
  if (pushed.ids === undefined) return listed(pushed, from, limit, manager, known);
  known.size = pushed.ids.length;
  return named(pushed.ids, from, manager);
}

async function* none(): AsyncGenerator<never, void, void> {}

async function* named(ids: readonly SessionId[], from: string | undefined, manager: Call['manager']) {
  const asked = from === undefined ? ids : ids.filter((id) => id > from);
  for (let at = 0; at < asked.length; at += PIECE) {
    const found = await Promise.all(asked.slice(at, at + PIECE).map((id) => manager.get(id)));
    yield found.filter((session) => session !== undefined);
  }
}

async function* listed(
  { user, group, until }: PushedDown,
  from: string | undefined,
  most: number,
  manager: Call['manager'],
  known: Known,
) {
  let after = from as SessionId | undefined;
  let left = most;
  for (;;) {
    const query = { user, service: group, after, limit: Math.min(PAGE, left) };
    const { items, next } = await manager.list(query);
    if (next === undefined && after === from) known.size = items.length;
    const last = until === undefined ? items.length : items.findIndex(({ id }) => id > until);
    yield last < 0 ? items : items.slice(0, last);
    left -= items.length;
    if (next === undefined || left <= 0 || (last >= 0 && last < items.length)) return;
    after = next;
  }
}

function latest(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

function placesOf({ manager }: Call): Places {
  return {
    groupOf: (name) => manager.services.get(name)?.group ?? name,
    isAlone(group) {
      const names = [...manager.services.values()].filter((service) => service.group === group);
      return names.length === 0 || (names.length === 1 && names[0]?.name === group);
    },
    states: STATES,
  };
}
