import { print } from '@sessionkit/test-stores/run';
import { beforeAll, describe, expect, it } from 'vitest';
import { type App, OPERATOR, startApp, startUpstream } from './app.js';
import { send } from './client.js';
import { type Crawled, crawl } from './crawl.js';

const SESSIONS = 6;
let app: App;

beforeAll(async () => {
  const upstream = await startUpstream((request, response) => {
    if (request.url?.startsWith('/login')) response.setHeader('x-session-user', 'ann/o neill');
    response.end('here');
  });
  app = await startApp(`
session:
  auto_create: true
  transport: { type: cookie }
  backend: { type: memory }
servers:
  "up one/two": { url: "${upstream}", steer: true }
  "50% ü?#": { url: "${upstream}" }
filters: { "log/it now": { type: log }, spare: { type: log } }
services:
  "web shop/eu": { filters: ["log/it now"], router: { type: proxy, servers: ["up one/two", "50% ü?#"] } }
  "blog & more": { session: { transport: { type: cookie, cookie_name: b } }, router: { type: proxy, servers: ["up one/two"] } }
  plain: { session: false, router: { type: proxy, servers: ["50% ü?#"] } }
listeners:
  "public a/b": { service: "web shop/eu", port: 0 }
  second: { service: "blog & more", port: 0 }
  "third one": { service: plain, port: 0 }
admin: { listen: "127.0.0.1:0" }
`);
  for (const listener of ['public a/b', 'second']) {
    for (let i = 0; i < SESSIONS / 2; i++)
      await send(`${app.url(listener)}${i === 0 ? '/login' : '/'}`, { method: 'POST' });
  }
  const [first] = await sessionIds();
  const body = '{"data":[{"id":"log/it now"},{"id":"spare"}]}';
  const url = `${app.admin}/v1/sessions/${first}/relationships/filters`;
  expect((await send(url, { method: 'PATCH', headers: OPERATOR, body })).status).toBe(204);
});

async function sessionIds(): Promise<string[]> {
  const { body } = await send(`${app.admin}/sessions`, { headers: OPERATOR });
  return (JSON.parse(body) as { id: string }[]).map(({ id }) => id);
}

interface Read {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

/** All documents that can be read without knowing a name, as the OpenAPI document tells. */
async function starts(version: RegExp): Promise<string[]> {
  const { body } = await send(`${app.admin}/v1/openapi.json`, { headers: OPERATOR });
  const { paths } = JSON.parse(body) as { paths: Record<string, { get?: Read }> };
  return (
    Object.entries(paths)
      .filter(([path, { get }]) => get !== undefined && !path.includes('{') && version.test(path))
      // Neither a stream of events, which has no end, nor plain text.
      .filter(([, { get }]) => 'application/json' in (get?.responses[200]?.content ?? {}))
      // Answers that are empty by contract, and those that are no documents of resources.
      .filter(([path]) => !/^(\/|\/v1|\/v1\/auth|\/v1\/openapi\.json|\/healthz|\/readyz)$/.test(path))
      .map(([path]) => app.admin + path)
  );
}

function report(form: string, { links, dead }: Crawled): void {
  print(`links: ${links.length} crawled, ${links.length - dead.length} ok (${form})`);
}

describe('every link in every document leads somewhere', () => {
  it('under /v1, also to names with a slash and a blank', async () => {
    const from = await starts(/^\/v1\//);
    expect(from.map((url) => url.slice(app.admin.length))).toEqual(
      expect.arrayContaining(['/v1/sessions', '/v1/services', '/v1/maxscale', '/v1/users/inet']),
    );
    const crawled = await crawl([...from, `${app.admin}/v1/sessions?page[size]=2`], OPERATOR);
    report('/v1', crawled);
    expect(crawled.dead).toEqual([]);
    expect(crawled.links.length).toBeGreaterThanOrEqual(60);
    for (const name of [
      'services/web%20shop%2Feu',
      'servers/up%20one%2Ftwo',
      'listeners/public%20a%2Fb',
      'filters/log%2Fit%20now',
    ])
      expect(crawled.links).toContain(`${app.admin}/v1/${name}/`);
    expect(crawled.links.every((link) => link.startsWith(`${app.admin}/v1/`))).toBe(true);
  });

  it('in the draft form, whose documents name their services and servers by path', async () => {
    const ids = await sessionIds();
    expect(ids).toHaveLength(SESSIONS);
    const of = (path: string) => ids.map((id) => `${app.admin}/sessions/${id}${path}`);
    const bare = (await starts(/^\/v1\//)).map((url) => url.replace('/v1/', '/'));
    const crawled = await crawl(
      [`${app.admin}/sessions`, ...of(''), ...of('/connections'), ...bare],
      OPERATOR,
    );
    report('draft', crawled);
    expect(crawled.dead).toEqual([]);
    expect(crawled.links.length).toBeGreaterThanOrEqual(60);
    expect(crawled.links).toContain(`${app.admin}/services/web%20shop%2Feu`);
    expect(crawled.links.some((link) => link.includes('/v1/'))).toBe(false);
  });
});

describe('the crawler', () => {
  const documents: Record<string, unknown> = {
    '/v1/good/': { data: [{ id: 'a b', type: 'good', links: { self: 'BASE/v1/good/a%20b/' } }], links: {} },
    '/v1/good/a%20b/': { links: { self: 'BASE/v1/good/a%20b/' } },
    '/v1/gone/': { data: { relationships: { x: { links: { related: 'BASE/v1/nowhere/' } } } } },
    '/v1/named/': { data: [{ id: 'x/y', type: 'things' }] },
    '/v1/wrong/': { links: { self: 'BASE/v1/good/' } },
    '/flat': [{ id: '1', service: '/services/none', server: '/good' }],
    '/good': {},
  };

  it.each([
    ['/v1/good/', 2, []],
    ['/v1/gone/', 2, ['BASE/v1/nowhere/ (in BASE/v1/gone/): status 404']],
    ['/v1/named/', 2, ['BASE/v1/things/x%2Fy/ (in BASE/v1/named/): status 404']],
    ['/v1/wrong/', 3, ['BASE/v1/wrong/ (in the start): it calls itself BASE/v1/good/']],
    ['/flat', 3, ['BASE/services/none (in BASE/flat): status 404']],
  ])('finds the planted dead link of %s', async (path, count, dead) => {
    const url = await startUpstream((request, response) => {
      const document = documents[request.url ?? ''];
      response.statusCode = document === undefined ? 404 : 200;
      response.end(JSON.stringify(document ?? {}).replaceAll('BASE', url));
    });
    const crawled = await crawl([url + path], {});
    expect(crawled.dead.map((line) => line.replaceAll(url, 'BASE'))).toEqual(dead);
    expect(crawled.links.length).toBeGreaterThanOrEqual(count);
  });
});
