import { z } from '@hono/zod-openapi';
import { AdminError } from './errors.js';
import {
  answerCollection,
  answerResource,
  listSource,
  type Resource,
  type Source,
} from './query/collection.js';
import { collectionQuery, resourceQuery } from './query/parameters.js';
import { sorted } from './render.js';
import { metaOf } from './resources.js';
import { type Call, type Route, route } from './route.js';
import { noQuery } from './schemas.js';
import {
  collectionOf,
  documentOf,
  forceQuery,
  nameParams,
  RESOURCES,
  type Relationship,
  type ResourceOf,
  type ResourceType,
  relationship,
} from './schemas-resources.js';
import type { Switch, System } from './system.js';

interface Definition<T extends ResourceType> {
  readonly type: T;
  /** For people, such as `service`. */
  readonly word: string;
  /** All of them, in any order. */
  resources(call: Call): readonly ResourceOf<T>[];
  /** The types that its resources are related to. */
  readonly relationships: readonly (keyof ResourceOf<T>['relationships'] & string)[];
}

/** What is read of one type of resources: the collection, each one, and its relationships. */
export function readRoutes<T extends ResourceType>(definition: Definition<T>): readonly Route[] {
  const { type, word } = definition;
  const path = `/v1/${type}`;
  const schema: z.ZodType = RESOURCES[type];
  const find = (name: string, call: Call) =>
    definition.resources(call).find(({ id }) => id === name) ?? missing(word);
  return [
    route({
      method: 'get',
      path,
      action: `${type}.list`,
      summary: `All ${type} of this process`,
      role: 'basic',
      params: z.object({}),
      query: collectionQuery(type),
      answers: { 200: collectionOf(schema) },
      async handle(_input, call) {
        return answerResources(
          call.links.to(type),
          definition.resources(call),
          call,
          metaOf(type, call.system),
        );
      },
    }),
    route({
      method: 'get',
      path: `${path}/{name}`,
      action: `${type}.get`,
      summary: `One ${word}`,
      role: 'basic',
      params: nameParams,
      query: resourceQuery(type),
      answers: { 200: documentOf(schema) },
      async handle({ params }, call) {
        const resource = find(params.name, call);
        return answerResource(resource.links.self, resource, call.query, metaOf(type, call.system));
      },
    }),
    ...definition.relationships.map((related) =>
      route({
        method: 'get',
        path: `${path}/{name}/relationships/${related}`,
        action: `${type}.${related}`,
        summary: `The ${related} of a ${word}`,
        role: 'basic',
        params: nameParams,
        query: noQuery,
        answers: { 200: relationship },
        async handle({ params }, call) {
          const { relationships } = find(params.name, call);
          const document = (relationships as Readonly<Record<string, Relationship>>)[related];
          return { status: 200, document };
        },
      }),
    ),
  ];
}

/** Answers a collection whose rows are at hand. */
export function answerResources(
  self: string,
  resources: readonly Resource[],
  { query }: Call,
  meta?: Source['meta'],
) {
  const rows = resources.map((resource) => sorted(resource) as Resource);
  return answerCollection({ ...listSource(self, rows), meta }, query);
}

/** Start and stop of one type of resources. */
export function switchRoutes(
  type: ResourceType,
  word: string,
  find: (name: string, call: Call) => { readonly control?: Switch | undefined } | undefined,
): readonly Route[] {
  const control = (name: string, call: Call) => {
    const found = find(name, call) ?? missing(word);
    if (found.control !== undefined) return found.control;
    throw new AdminError(501, `This process cannot start or stop a ${word}.`);
  };
  const verb = (
    name: 'start' | 'stop',
    summary: string,
    act: (control: Switch, force: boolean) => ReturnType<Switch['start']>,
  ) =>
    route({
      method: 'put',
      path: `/v1/${type}/{name}/${name}`,
      action: `${type}.${name}`,
      summary,
      role: 'admin',
      params: nameParams,
      query: forceQuery,
      answers: { 204: undefined },
      async handle({ params, query }, call) {
        const result = await act(control(params.name, call), query.force ?? false);
        if ('refused' in result) throw new AdminError(409, result.refused);
        if (result.changed) {
          const done = name === 'start' ? 'started' : 'stopped';
          const cut = result.cut === 0 ? '' : ` and cut ${result.cut} requests`;
          const message = `${call.user.name} ${done} the ${word} "${params.name}"${cut}`;
          call.environment.log({ level: 'notice', message });
        }
        return { status: 204 };
      },
    });
  return [
    verb('start', `Starts a ${word} that was stopped`, (one) => one.start()),
    verb('stop', `Stops a ${word}; with \`force\` what is under way is cut`, (one, force) => one.stop(force)),
  ];
}

/** @throws AdminError 501 */
export function checkServes({ serves }: System): void {
  if (serves) return;
  throw new AdminError(501, 'This process serves no sessions. Set it where they are served.');
}

function missing(word: string): never {
  throw new AdminError(404, `There is no such ${word}.`);
}
