import { z } from '@hono/zod-openapi';
import type { SessionInfo } from '@sessionkit/session-core';
import { sessionValidators } from './documents-sessions.js';
import { cutRange, draftConnections, draftSession, pickMembers, renderArray } from './draft.js';
import { AdminError } from './errors.js';
import { type Call, type Route, route } from './route.js';
import {
  draftConnectionList,
  draftListQuery,
  draftQuery,
  draftSessionPart,
  draftSessions,
} from './schemas-draft.js';
import { sessionParams } from './schemas-sessions.js';

/** Rows asked of the stores at a time. */
const PAGE = 500;
/** Rows written at a time: their text stays below what the garbage collector treats as a large object. */
const PIECE = 100;
const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** The early draft of the contract: unversioned, flat, a bare array. What it has in common with `/v1`, such as DELETE, needs no route of its own. */
export const DRAFT_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/sessions',
    action: 'draft.sessions.list',
    summary: 'All living sessions as a bare array, sorted by id',
    role: 'basic',
    params: z.object({}),
    query: draftListQuery,
    answers: { 200: draftSessions },
    async handle({ query }, call) {
      const { fields, range = ALL } = query;
      const rows = cutRange(sessions(call, range.to), range);
      // Asked for before the head goes out, so that a store that is down is a 503.
      const first = await rows.next();
      async function* documents() {
        const shown = (list: readonly SessionInfo[]) =>
          list.map((session) => pickMembers(draftSession(session, call), fields));
        if (!first.done) yield shown(first.value);
        for await (const list of rows) yield shown(list);
      }
      return { status: 200, pieces: (pretty) => renderArray(documents(), pretty) };
    },
  }),
  route({
    method: 'get',
    path: '/sessions/{id}',
    action: 'draft.sessions.get',
    summary: 'One living session in the flat form',
    role: 'basic',
    params: sessionParams,
    query: draftQuery,
    answers: { 200: draftSessionPart },
    async handle({ params, query }, call) {
      const session = (await call.manager.get(params.id)) ?? missing(params.id);
      const document = pickMembers(draftSession(session, call), query.fields);
      return { status: 200, document, validators: sessionValidators(session) };
    },
  }),
  route({
    method: 'get',
    path: '/sessions/{id}/connections',
    action: 'draft.sessions.connections',
    summary: 'The connections of a session to servers, with what it did over them',
    role: 'basic',
    params: sessionParams,
    query: draftListQuery,
    answers: { 200: draftConnectionList },
    async handle({ params: { id }, query: { fields, range = ALL } }, call) {
      const session = (await call.manager.get(id)) ?? missing(id);
      const held = (await call.manager.holdings([id])).get(id) ?? [];
      const rows = draftConnections(session, held, call).slice(range.from, range.to + 1);
      return { status: 200, document: rows.map((row) => pickMembers(row, fields)) };
    },
  }),
];

/** The first sessions, up to the one with the number `to`. */
async function* sessions({ manager }: Call, to: number): AsyncGenerator<readonly SessionInfo[], void, void> {
  let left = to + 1;
  let page = await manager.list({ limit: Math.min(PAGE, left) });
  for (;;) {
    for (let at = 0; at < page.items.length; at += PIECE) yield page.items.slice(at, at + PIECE);
    left -= page.items.length;
    if (page.next === undefined || left <= 0) return;
    page = await manager.list({ limit: Math.min(PAGE, left), after: page.next });
  }
}

function missing(id: string): never {
  throw new AdminError(404, `There is no living session ${id}.`);
}
