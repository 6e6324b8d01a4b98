import { z } from '@hono/zod-openapi';
import type { SessionId } from '@sessionkit/session-core';
import { filterRelationship, serviceRelationship, sessionValidators } from './documents-sessions.js';
import { AdminError } from './errors.js';
import { answerCollection, answerResource } from './query/collection.js';
import { type Call, type Route, route } from './route.js';
import { noQuery } from './schemas.js';
import { relationship } from './schemas-resources.js';
import * as s from './schemas-sessions.js';
import { managerDocuments, type SessionDocuments } from './session-source.js';

const noParams = z.object({});

/** What is read of sessions. */
export function sessionReads<Id extends string>(documents: SessionDocuments<Id>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/sessions',
      action: 'sessions.list',
      summary: 'All living sessions, sorted by id',
      role: 'basic',
      params: noParams,
      query: s.sessionsQuery,
      answers: { 200: s.sessionsDocument },
      async handle(_input, call) {
        const after = call.query['page[after]'];
        if (after !== undefined && !documents.isId(after))
          throw new AdminError(400, 'page[after]: is not a session id');
        return answerCollection(documents.source(call), call.query);
      },
    }),
    route({
      method: 'get',
      path: '/v1/sessions/{id}',
      action: 'sessions.get',
      summary: 'One living session',
      role: 'basic',
      params: s.paramsThat(documents.isId),
      query: s.sessionQuery,
      answers: { 200: s.sessionDocument },
      async handle({ params: { id } }, call) {
        const { resource, validators, meta } = (await documents.find(id, call)) ?? missing(id);
        const self = call.links.to('sessions', id);
        return { ...answerResource(self, resource, call.query, meta), validators };
      },
    }),
  ];
}

const RELATIONSHIPS: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions/{id}/relationships/services',
    action: 'sessions.services',
    summary: 'The service of a session',
    role: 'basic',
    params: s.sessionParams,
    query: noQuery,
    answers: { 200: relationship },
    async handle({ params }, call) {
      const session = (await call.manager.get(params.id)) ?? missing(params.id);
      return { status: 200, document: serviceRelationship(session, call) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/relationships/filters',
    action: 'sessions.filters',
    summary: 'The filters that an operator has given to a session',
    role: 'basic',
    params: s.sessionParams,
    query: noQuery,
    answers: { 200: relationship },
    async handle({ params }, call) {
      const session = (await call.manager.get(params.id)) ?? missing(params.id);
      return {
        status: 200,
        document: filterRelationship(session, call.links),
        validators: sessionValidators(session),
      };
    },
  }),
];

const WRITES: readonly Route[] = [
  route({
    method: 'delete',
    path: '/v1/sessions',
    action: 'sessions.endMany',
    summary: 'Refused: ending many sessions needs a preview',
    role: 'admin',
    params: noParams,
    query: noQuery,
    answers: {},
    handle: async () => {
      throw new AdminError(
        400,
        'Ending many sessions needs a preview token, and previews are not available yet.',
      );
    },
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}',
    action: 'sessions.alter',
    summary: 'Sets log levels and filters of a session',
    role: 'admin',
    params: s.sessionParams,
    query: noQuery,
    body: s.patchBody,
    guarded: true,
    answers: { 204: undefined },
    async handle({ params: { id }, body: { data } }, call) {
      if (data.id !== undefined && data.id !== id)
        throw new AdminError(400, 'data.id: is not the session of the path');
      const [one, other] = [data.relationships?.filters, data.attributes?.relationships?.filters].map(
        (filters) => filters?.data.map((filter) => filter.id),
      );
      if (one !== undefined && other !== undefined && one.join('\n') !== other.join('\n'))
        throw new AdminError(400, 'data: the filters stand in two places, and differ');
      return alter(id, { parameters: data.attributes?.parameters, filters: one ?? other }, call);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}/relationships/filters',
    action: 'sessions.alterFilters',
    summary: 'Sets the filters of a session, in their order',
    role: 'admin',
    params: s.sessionParams,
    query: noQuery,
    body: s.filtersBody,
    guarded: true,
    answers: { 204: undefined },
    handle: ({ params: { id }, body: { data } }, call) =>
      alter(id, { filters: data.map((filter) => filter.id) }, call),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/restart',
    action: 'sessions.restart',
    summary: 'Opens the filters and the router of a session anew',
    role: 'admin',
    params: s.sessionParams,
    query: s.restartQuery,
    guarded: true,
    answers: { 204: undefined },
    async handle({ params: { id }, query }, call) {
      const found = await call.manager.restart(id, actor(call), { reset: query.reset }, guard(call));
      return found ? { status: 204 } : missing(id);
    },
  }),
  route({
    method: 'post',
    path: '/v1/sessions/restart',
    action: 'sessions.restartAll',
    summary: 'The same for all sessions',
    role: 'admin',
    params: noParams,
    query: s.restartQuery,
    answers: { 204: undefined },
    async handle({ query }, call) {
      await call.manager.restartAll(actor(call), { reset: query.reset });
      return { status: 204 };
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
    guarded: true,
    answers: { 204: undefined },
    async handle({ params: { id }, query }, call) {
      const ttl = query.ttl === undefined || query.ttl === 0 ? undefined : query.ttl * 1000;
      const found = await call.manager.end(id, actor(call), ttl, guard(call));
      return found ? { status: 204 } : missing(id);
    },
  }),
];

export const SESSION_ROUTES: readonly Route[] = [
  ...sessionReads(managerDocuments),
  ...RELATIONSHIPS,
  ...WRITES,
];

type Alteration = Parameters<Call['manager']['alter']>[1];

async function alter(id: SessionId, change: Alteration, call: Call): Promise<{ readonly status: 204 }> {
  const unknown = change.filters?.find((name) => !call.manager.filters.has(name));
  if (unknown !== undefined) throw new AdminError(400, `Not a valid filter: ${shownName(unknown)}`);
  const found = await call.manager.alter(id, change, actor(call), guard(call));
  return found ? { status: 204 } : missing(id);
}

/** A name that came, unless it could be something secret put in the wrong place. */
function shownName(name: string): string {
  return /^[\w. -]{1,32}$/.test(name) ? name : '(not shown)';
}

const actor = (call: Call) => ({ name: call.user.name });

/** Lets a change through when the session that it would change is as the request says. */
const guard =
  (call: Call) =>
  (...[session]: Parameters<typeof sessionValidators>) =>
    call.conditions.check(sessionValidators(session));

function missing(id: string): never {
  throw new AdminError(404, `There is no living session ${id}.`);
}
