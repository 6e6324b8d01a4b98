import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { ROUTES } from '../src/routes.js';
import { Conformance, type Document, openApiDocument } from './conform.js';
import { BASIC, fixture } from './fixture.js';

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1, says a validator that is not ours', async () => {
    const document = await openApiDocument();
    const validator = new Validator();
    const result = await validator.validate(structuredClone({ ...document }));
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, validator.version]).toEqual([true, '3.1']);
    const broken = { ...document, paths: { ...document.paths, '/x': { get: { responses: 7 } } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('has every route, each with an id of its own, and nothing else', async () => {
    const { paths } = await openApiDocument();
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    const more = ['get /healthz', 'get /readyz', 'get /v1/openapi.json'];
    expect(described.sort()).toEqual(
      [...ROUTES.map(({ method, path }) => `${method} ${path}`), ...more].sort(),
    );
    const ids = Object.values(paths).flatMap((item) => Object.values(item).map((each) => each.operationId));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is told to users, and not to everybody', async () => {
    const f = await fixture();
    expect((await f.ask('GET', '/v1/openapi.json', { as: null })).status).toBe(401);
    const response = await f.ask('GET', '/v1/openapi.json', { as: BASIC });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      openapi: '3.1.0',
      servers: [{ url: '/' }],
      components: { securitySchemes: { basic: { scheme: 'basic' }, bearer: { scheme: 'bearer' } } },
    });
  });

  test('says what comes in as the schemas do that check it', async () => {
    const { paths } = await openApiDocument();
    expect(paths['/v1/sessions/{id}']?.delete).toMatchObject({
      security: [{ basic: [] }, { bearer: [] }],
      parameters: expect.arrayContaining([
        expect.objectContaining({ in: 'path', name: 'id', required: true }),
        expect.objectContaining({
          in: 'query',
          name: 'ttl',
          required: false,
          schema: expect.objectContaining({ type: 'integer', minimum: 0 }),
        }),
      ]),
    });
    expect(paths['/v1/users/inet']?.post).toMatchObject({
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: {
                data: {
                  properties: {
                    attributes: {
                      properties: {
                        account: { enum: ['admin', 'basic'] },
                        password: { type: 'string', minLength: 1 },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    });
    expect(paths['/healthz']?.get).not.toHaveProperty('security');
    expect(paths['/v1/auth']?.get).toMatchObject({ security: [{ basic: [] }] });
  });
});

describe('an answer is held against the document, which', () => {
  const text = async (path: string) => {
    const f = await fixture();
    const { id } = await f.start({ user: 'ann' });
    return (await f.ask('GET', path.replace('ID', id))).text();
  };
  const find = (document: Document, name: string) =>
    document.components.schemas[name] as {
      properties: { attributes: { properties: Record<string, unknown>; required: string[] } };
    };
  const none = new URLSearchParams();

  test('finds no fault with it as it is', async () => {
    const conformance = new Conformance(await openApiDocument());
    const session = await text('/v1/sessions/ID');
    expect(conformance.problem('GET', '/v1/sessions/s1', none, 200, session)).toBeUndefined();
    expect(conformance.problem('GET', '/v1/sessions', none, 200, await text('/v1/sessions'))).toBeUndefined();
    // No session by the id of `events`.
    expect(conformance.problem('GET', '/sessions/events', none, 200, 'retry: 2000\n\n')).toBeUndefined();
  });

  test('catches an attribute that the schema has not', async () => {
    const document = structuredClone(await openApiDocument());
    delete find(document, 'User').properties.attributes.properties.last_login;
    const conformance = new Conformance(document);
    const answer = await text('/v1/users');
    expect(conformance.problem('GET', '/v1/users', none, 200, answer)).toContain('last_login');
  });

  test('catches an attribute that the answer has not, unless fields were asked for', async () => {
    const conformance = new Conformance(await openApiDocument());
    const answer = await text('/v1/sessions/ID?fields[sessions]=user');
    expect(conformance.problem('GET', '/v1/sessions/s1', none, 200, answer)).toContain('required');
    const asked = new URLSearchParams('fields[sessions]=user');
    expect(conformance.problem('GET', '/v1/sessions/s1', asked, 200, answer)).toBeUndefined();
    const foreign = answer.replace('"user"', '"useful"');
    expect(conformance.problem('GET', '/v1/sessions/s1', asked, 200, foreign)).toBeDefined();
  });

  test.each([
    ['a wrong type', 'GET', '/v1/users', 200, (t: string) => t.replace('"admin"', '1')],
    ['a status it does not know', 'GET', '/v1/users', 206, (t: string) => t],
    ['a path it does not know', 'GET', '/v1/nowhere', 200, (t: string) => t],
    ['a body where there is none', 'DELETE', '/v1/users/inet/bob', 204, (t: string) => t],
    ['a body for HEAD', 'HEAD', '/v1/users', 200, (t: string) => t],
    ['an error of another form', 'GET', '/v1/users', 404, () => '{"error":{"detail":"x"}}'],
    ['an error of another form where nothing is', 'GET', '/v1/nowhere', 404, () => '{}'],
    ['no body where there is one', 'GET', '/v1/users', 200, () => ''],
  ] as const)('catches %s', async (_name, method, path, status, change) => {
    const conformance = new Conformance(await openApiDocument());
    const answer = change(await text('/v1/users'));
    expect(conformance.problem(method, path, none, status, answer)).toEqual(expect.any(String));
  });
});
