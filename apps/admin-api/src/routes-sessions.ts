import { z } from '@hono/zod-openapi';
import type { SessionId } from '@sessionkit/session-core';
import { serviceRelationship, sessionResource } from './documents.js';
import { AdminError } from './errors.js';
import { type Call, type Route, route } from './route.js';
import * as s from './schemas.js';

/** Rows asked of the stores at a time. */
const PAGE = 500;
/** Rows written at a time: their text stays below what the garbage collector treats as a large object. */
const PIECE = 50;
const noParams = z.object({});

export const SESSION_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions',
    action: 'sessions.list',
    summary: 'All living sessions, sorted by id',
    role: 'basic',
    params: noParams,
    query: s.noQuery,
    answers: { 200: s.sessionsDocument },
    async handle(_input, call) {
      // The first page is asked for before the head goes out, so that a store that is down is a 503.
      const first = await call.manager.list({ limit: PAGE });
      return { status: 200, pages: sessionPages(first, call), self: call.links.sessions() };
    },
  }),
  route({
    method: 'delete',
    path: '/v1/sessions',
    action: 'sessions.endMany',
    summary: 'Refused: ending many sessions needs a preview',
    role: 'admin',
    params: noParams,
    query: s.noQuery,
    answers: {},
    handle: async () => {
      throw new AdminError(
        400,
        'Ending many sessions needs a preview token, and previews are not available yet.',
      );
    },
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}',
    action: 'sessions.get',
    summary: 'One living session',
    role: 'basic',
    params: s.sessionParams,
    query: s.noQuery,
    answers: { 200: s.sessionDocument },
    async handle({ params }, call) {
      const session = (await call.manager.get(params.id)) ?? missing(params.id);
      const data = sessionResource(session, call);
      return { status: 200, document: { data, links: { self: call.links.session(session.id) } } };
    },
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}',
    action: 'sessions.alter',
    summary: 'Sets log levels of a session',
    role: 'admin',
    params: s.sessionParams,
    query: s.noQuery,
    body: s.patchBody,
    answers: { 204: undefined },
    async handle({ params, body }, call) {
      if (body.data.id !== undefined && body.data.id !== params.id) {
        throw new AdminError(400, 'data.id: is not the session of the path');
      }
      const parameters = body.data.attributes?.parameters ?? {};
      const nothing = Object.keys(parameters).length === 0;
      const found = nothing
        ? (await call.manager.get(params.id)) !== undefined
        : await call.manager.alter(params.id, { parameters }, actor(call));
      return found ? { status: 204 } : missing(params.id);
    },
  }),
  route({
    method: 'delete',
    path: '/v1/sessions/{id}',
    action: 'sessions.end',
    summary: 'Ends a session, now or after `ttl` seconds',
    role: 'admin',
    params: s.sessionParams,
    query: s.endQuery,
    answers: { 204: undefined },
    async handle({ params, query }, call) {
      const ttl = query.ttl === undefined || query.ttl === 0 ? undefined : query.ttl * 1000;
      const found = await call.manager.end(params.id, actor(call), ttl);
      return found ? { status: 204 } : missing(params.id);
    },
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/relationships/services',
    action: 'sessions.services',
    summary: 'The service of a session',
    role: 'basic',
    params: s.sessionParams,
    query: s.noQuery,
    answers: { 200: s.serviceRelationship },
    async handle({ params }, call) {
      const session = (await call.manager.get(params.id)) ?? missing(params.id);
      return { status: 200, document: serviceRelationship(session, call) };
    },
  }),
];

async function* sessionPages(first: Awaited<ReturnType<Call['manager']['list']>>, call: Call) {
  let page = first;
  for (;;) {
    for (let from = 0; from < page.items.length; from += PIECE)
      yield page.items.slice(from, from + PIECE).map((session) => sessionResource(session, call));
    if (page.next === undefined) return;
    page = await call.manager.list({ limit: PAGE, after: page.next });
  }
}

const actor = (call: Call) => ({ name: call.user.name });

function missing(id: SessionId): never {
  throw new AdminError(404, `There is no living session ${id}.`);
}
