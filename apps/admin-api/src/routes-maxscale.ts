import { z } from '@hono/zod-openapi';
import { AdminError } from './errors.js';
import {
  diagnosticsResource,
  logDocument,
  logsResource,
  maxscaleResource,
  moduleResource,
  threadResource,
} from './maxscale.js';
import { answerResource, type Resource } from './query/collection.js';
import { collectionQuery, resourceQuery } from './query/parameters.js';
import { answerResources, checkServes } from './resource-routes.js';
import { type Call, type Route, route } from './route.js';
import { noQuery } from './schemas.js';
import * as s from './schemas-maxscale.js';
import { collectionOf, documentOf, nameParams, processSettingsBody } from './schemas-resources.js';

const LINES = 50;
const MOST_LINES = 1_000;
const noParams = z.object({});

type Linked = Resource & { readonly links: { readonly self: string } };

/** A route that answers one document about the process. */
function single(
  path: string,
  type: string,
  action: string,
  summary: string,
  schema: z.ZodType,
  make: Making<Linked>,
) {
  return route({
    method: 'get',
    path: `/v1/maxscale${path}`,
    action,
    summary,
    role: 'basic',
    params: noParams,
    query: resourceQuery(type),
    answers: { 200: documentOf(schema) },
    async handle(_input, call) {
      const resource = await make(call);
      return answerResource(resource.links.self, resource, call.query);
    },
  });
}

/** The routes of a collection and of each one in it. */
function several(
  name: 'threads' | 'modules',
  word: string,
  schema: z.ZodType,
  make: Making<readonly Linked[]>,
): readonly Route[] {
  const path = `/v1/maxscale/${name}`;
  return [
    route({
      method: 'get',
      path,
      action: `${name}.list`,
      summary: `All ${name} of the process`,
      role: 'basic',
      params: noParams,
      query: collectionQuery(name),
      answers: { 200: collectionOf(schema) },
      async handle(_input, call) {
        return answerResources(call.links.to('maxscale', name), await make(call), call);
      },
    }),
    route({
      method: 'get',
      path: `${path}/{name}`,
      action: `${name}.get`,
      summary: `One ${word}`,
      role: 'basic',
      params: nameParams,
      query: resourceQuery(name),
      answers: { 200: documentOf(schema) },
      async handle({ params }, call) {
        const resource = (await make(call)).find(({ id }) => id === params.name);
        if (resource === undefined) throw new AdminError(404, `There is no such ${word}.`);
        return answerResource(resource.links.self, resource, call.query);
      },
    }),
  ];
}

type Making<T> = (call: Call) => T | Promise<T>;

export const MAXSCALE_ROUTES: readonly Route[] = [
  single('', 'maxscale', 'maxscale.get', 'The process: version, times, parameters', s.maxscale, (call) =>
    maxscaleResource(call, call.environment.now()),
  ),
  route({
    method: 'patch',
    path: '/v1/maxscale',
    action: 'maxscale.alter',
    summary: 'Sets how much is kept of all sessions whose service does not say otherwise',
    role: 'admin',
    params: noParams,
    query: noQuery,
    body: processSettingsBody,
    answers: { 204: undefined },
    async handle({ body }, { system, environment, user }) {
      const change = body.data.attributes?.parameters ?? {};
      checkServes(system);
      if (Object.keys(change).length === 0) return { status: 204 };
      system.settings.setGlobal(change);
      environment.log({ level: 'notice', message: `${user.name} set ${JSON.stringify(change)}` });
      return { status: 204 };
    },
  }),
  ...several('threads', 'thread', s.thread, async (call) =>
    (await call.system.threads()).map((thread) => threadResource(thread, call)),
  ),
  ...several('modules', 'module', s.module, (call) =>
    call.system.modules().map((module) => moduleResource(module, call)),
  ),
  single('/logs', 'logs', 'logs.get', 'Where the process log goes', s.logs, logsResource),
  route({
    method: 'get',
    path: '/v1/maxscale/logs/data',
    action: 'logs.read',
    summary: 'The newest lines of the process log, or those before a cursor',
    role: 'basic',
    params: noParams,
    query: s.logQuery,
    answers: { 200: s.logData },
    async handle({ query }, call) {
      const { 'page[size]': asked, 'page[cursor]': cursor } = query;
      const size = Math.min(asked || LINES, MOST_LINES);
      const lines = call.activity ? (call.system.log?.read(size, cursor) ?? []) : undefined;
      return { status: 200, document: logDocument(lines, size, cursor, call) };
    },
  }),
  route({
    method: 'post',
    path: '/v1/maxscale/logs/flush',
    action: 'logs.flush',
    summary: 'Writes out what waits to be written of the logs',
    role: 'admin',
    params: noParams,
    query: noQuery,
    answers: { 204: undefined },
    async handle(_input, { system }) {
      await system.log?.flush();
      return { status: 204 };
    },
  }),
  single(
    '/query_classifier',
    'query_classifier',
    'queryClassifier.get',
    'Nothing: no statements are parsed here',
    s.queryClassifier,
    ({ links }) => ({
      attributes: { parameters: {} },
      id: 'query_classifier',
      links: { self: links.to('maxscale', 'query_classifier') },
      type: 'query_classifier',
    }),
  ),
  single(
    '/debug/server_diagnostics',
    'server_diagnostics',
    'diagnostics.get',
    'How the stores are, asked now',
    s.diagnostics,
    async (call) => diagnosticsResource(await call.manager.health(), call),
  ),
];
