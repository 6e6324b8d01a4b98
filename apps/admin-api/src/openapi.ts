import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type Route, route } from './route.js';
import { errorsDocument, noQuery } from './schemas.js';
import { withSparse } from './sparse.js';

/** A route as far as a document needs it. */
export type Described = Omit<Route, 'run' | 'role' | 'params' | 'query' | 'body'> & {
  readonly role: Route['role'] | 'none';
  readonly params: Route['params'] | undefined;
  readonly query: Route['query'] | undefined;
  readonly body: Route['body'];
};

type Registry = OpenAPIHono['openAPIRegistry'];
export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

/** Answers a function that puts a route into the document. */
export function createDescriber(registry: Registry): (route: Described) => void {
  registry.registerComponent('securitySchemes', 'basic', { type: 'http', scheme: 'basic' });
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
  });
  const used = new Set<string>();

  /** Two routes may do the same thing: the second one is told apart by its method and path. */
  function idOf({ action, method, path }: Described): string {
    const id = used.has(action) ? `${method}${path.replace(/\W+/g, '_')}` : action;
    used.add(id);
    return id;
  }

  return (route) => registry.registerPath(describe(route, idOf(route)));
}

const PASSWORD = { basic: [] };
const TOKEN = { bearer: [] };

function describe(route: Described, operationId: string) {
  const json = (schema: NonNullable<Route['body']>) => ({ 'application/json': { schema } });
  const answers = Object.entries(route.answers).map(([status, schema]) => [
    status,
    {
      description: schema === undefined ? 'Done' : 'The document',
      ...(schema && { content: { [route.media ?? 'application/json']: { schema } } }),
    },
  ]);
  return createRoute({
    method: route.method,
    path: route.path,
    operationId,
    summary: route.summary,
    ...(route.role === 'none' ? {} : { security: route.passwordOnly ? [PASSWORD] : [PASSWORD, TOKEN] }),
    request: {
      ...(route.params && { params: route.params }),
      ...(route.query && { query: route.query }),
      ...(route.body && { body: { required: true, content: json(route.body) } }),
    },
    responses: {
      ...Object.fromEntries(answers),
      default: { description: 'Refused or failed', content: json(errorsDocument) },
    },
  });
}

/** The document of all that is described, made once, when it is first asked for. */
export function openApiRoute(generate: OpenAPIHono['getOpenAPI31Document'], basePath: string): Route {
  let document: OpenApiDocument | undefined;
  return route({
    method: 'get',
    path: '/v1/openapi.json',
    action: 'openapi',
    summary: 'This document',
    role: 'basic',
    params: z.object({}),
    query: noQuery,
    answers: { 200: z.looseObject({ openapi: z.literal('3.1.0') }) },
    async handle() {
      document ??= withSparse(
        generate({
          openapi: '3.1.0',
          info: {
            title: 'SessionKit admin API',
            version: '1',
            description: 'Lists, inspects, alters and ends live sessions. Errors are `Errors` documents.',
          },
          servers: [{ url: basePath === '' ? '/' : basePath }],
        }),
      );
      return { status: 200, document };
    },
  });
}
