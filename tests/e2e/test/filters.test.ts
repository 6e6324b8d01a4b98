import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { startRedis } from '@sessionkit/test-stores/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, OPERATOR, startApp, startUpstream, until } from './app.js';
import { type Answer, cookieOf, idOf, problemOf, send } from './client.js';

/** Answers that wait, by the URL that asked for them. */
const held = new Map<string, ServerResponse>();
let asked = 0;
let upstream: string;
let app: App;

const SECTIONS = `
filters:
  requests: { type: log, level: notice }
  answers: { type: cache, per_session: { entries: 50 }, ttl: 300 }
  gentle: { type: limit, rate: { requests: 6, per: 3600 }, concurrency: 20 }
services:
  shop: { router: { type: proxy, servers: [up] } }
  full: { filters: [requests, answers, gentle], session: { transport: { type: cookie, cookie_name: full } }, router: { type: proxy, servers: [up] } }
listeners:
  public: { service: shop, port: 0 }
  full: { service: full, port: 0 }
admin: { listen: "127.0.0.1:0" }
`;

beforeAll(async () => {
  upstream = await startUpstream((request, response) => {
    asked += 1;
    const { url = '', headers } = request;
    response.setHeader('Cache-Control', 'private, max-age=600');
    if (url === '/login') response.setHeader('X-Session-User', 'ann');
    if (url === '/data') response.setHeader('X-Session-Data', Buffer.from('{"a":1}').toString('base64url'));
    if (url.startsWith('/held')) held.set(url, response);
    else response.end(`answer ${asked} for ${headers['x-session-user'] ?? 'nobody'}`);
  });
  app = await startApp(`
session: { auto_create: true, transport: { type: cookie }, backend: { type: memory } }
servers: { up: { url: "${upstream}", steer: true } }
${SECTIONS}`);
});

interface Shown {
  readonly attributes: Readonly<Record<string, unknown>> & {
    readonly parameters: Readonly<Record<string, unknown>>;
    readonly filter_diagnostics: Readonly<Record<string, number>>;
  };
  readonly relationships: Readonly<Record<string, { readonly data: readonly { readonly id: string }[] }>>;
}

async function read(path: string): Promise<Shown> {
  const { body } = await send(`${app.admin}/v1/${path}`, { headers: OPERATOR });
  return (JSON.parse(body) as { data: Shown }).data;
}

/** What each filter has counted so far. */
async function counts() {
  const of = async (name: string) => (await read(`filters/${name}`)).attributes.filter_diagnostics;
  const [requests, gentle, answers] = [await of('requests'), await of('gentle'), await of('answers')];
  return {
    lines: requests.lines ?? 0,
    passed: gentle.passed ?? 0,
    hits: answers.hits ?? 0,
    entries: answers.entries ?? 0,
  };
}

const names = async (id: string) =>
  (await read(`sessions/${id}`)).relationships.filters?.data.map((one) => one.id);

/** A session that is stored, and its cookie. */
async function session(at = app.public) {
  const cookie = cookieOf(await send(`${at}/new`));
  return {
    cookie,
    id: idOf(cookie),
    get: (path: string): Promise<Answer> => send(at + path, { headers: { cookie } }),
  };
}

const filters = (ids: readonly string[]) => ({
  filters: { data: ids.map((id) => ({ id, type: 'filters' })) },
});

function patch(id: string, data: unknown, admin = app.admin): Promise<Answer> {
  const body = JSON.stringify({ data });
  return send(`${admin}/v1/sessions/${id}`, { method: 'PATCH', headers: OPERATOR, body });
}

describe('the filters of a service, in order', () => {
  it('log, keep and limit, and each client gets the cookie of its own', async () => {
    const { get, id } = await session(app.url('full'));
    const [first, second] = [await get('/page'), await get('/page')];
    expect([first.headers.age, second.headers.age]).toEqual([undefined, '0']);
    expect(second.body).toBe(first.body);
    expect(second.headers['set-cookie']).toBeUndefined();
    // Answers from the cache, which stands before the limit, count for nothing there.
    for (let i = 0; i < 10; i++) expect((await get('/page')).headers.age).toBeDefined();
    // The request that began the session has gone through it, and the first one to /page.
    for (const path of ['/1', '/2', '/3', '/4']) expect((await get(path)).status).toBe(200);
    const refused = await get('/5');
    expect(problemOf(refused)).toMatchObject({
      media: 'application/problem+json',
      status: 429,
      code: 'too_many',
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(500);
    const lines = () => app.log.filter((entry) => entry.session === id).map(({ msg }) => String(msg));
    await until('the line of the last request', () => lines().some((line) => line.startsWith('GET /5 429')));
    expect(lines().filter((line) => line.startsWith('GET /page 200'))).toHaveLength(12);
    expect(lines()).toContain('requests are refused: more than 6 in 3600 s');
  });

  it('never keep what steers a session, nor use after a login what they kept before', async () => {
    const { cookie, get } = await session(app.url('full'));
    const first = await get('/data');
    expect(first.status).toBe(200);
    const second = await get('/data');
    expect([second.headers.age, second.body === first.body]).toEqual([undefined, false]);
    expect((await get('/page')).body).toMatch(/for nobody/);
    expect((await get('/page')).headers.age).toBe('0');
    const login = await get('/login');
    const headers = { cookie: cookieOf(login) };
    expect(headers.cookie).not.toBe(cookie);
    const after = await send(`${app.url('full')}/page`, { headers });
    expect([after.headers.age, after.body]).toEqual([undefined, expect.stringMatching(/for ann/)]);
  });
});

describe('an operator changes the filters of a session', () => {
  it('and the next request goes through them, the one in flight through none', async () => {
    const { id, get } = await session();
    const before = await counts();
    const flight = get('/held/none');
    const release = await until('the request', () => held.get('/held/none'));
    expect((await patch(id, { relationships: filters(['requests', 'answers', 'gentle']) })).status).toBe(204);
    release.end('late');
    expect((await flight).body).toBe('late');
    expect(await counts()).toEqual(before);
    await get('/next');
    expect((await get('/next')).headers.age).toBe('0');
    const { lines, passed, hits, entries } = await counts();
    expect({ lines, passed, hits, entries }).toEqual({
      lines: before.lines + 2,
      passed: before.passed + 1,
      hits: before.hits + 1,
      entries: before.entries + 1,
    });
  });

  it('and the one in flight goes through the old ones to its end, which are closed then', async () => {
    const { id, get } = await session();
    await patch(id, { relationships: filters(['requests', 'answers', 'gentle']) });
    await get('/kept');
    const before = await counts();
    const flight = get('/held/old');
    const release = await until('the request', () => held.get('/held/old'));
    expect((await patch(id, { relationships: filters([]) })).status).toBe(204);
    expect(await names(id)).toBeUndefined();
    const pending = async () => (await read(`sessions/${id}`)).attributes.pending;
    await until('what they wait for', async () => String(await pending()).includes('requests under way'));
    release.end('late');
    expect((await flight).body).toBe('late');
    await until('the end of the wait', async () => (await pending()) === undefined);
    await until('the old filters to be closed', async () => (await counts()).entries === before.entries - 1);
    expect(await counts()).toMatchObject({ lines: before.lines + 1, passed: before.passed + 1 });
    expect((await get('/kept')).headers.age).toBeUndefined();
    expect(await counts()).toMatchObject({ lines: before.lines + 1, passed: before.passed + 1 });
  });

  it.each([
    ['relationships', (ids: readonly string[]) => ({ relationships: filters(ids) })],
    [
      'attributes.relationships',
      (ids: readonly string[]) => ({ attributes: { relationships: filters(ids) } }),
    ],
  ])('at data.%s, in the order that is given', async (_place, data) => {
    const kept = await session();
    await patch(kept.id, data(['answers', 'gentle']));
    expect(await names(kept.id)).toEqual(['answers', 'gentle']);
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await kept.get('/page')).status);
    expect(statuses).toEqual(Array(8).fill(200));

    const limited = await session();
    await patch(limited.id, data(['gentle', 'answers']));
    expect(await names(limited.id)).toEqual(['gentle', 'answers']);
    statuses.length = 0;
    for (let i = 0; i < 8; i++) statuses.push((await limited.get('/page')).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429, 429]);
  });

  it('to one that there is not: 400, it is named, and nothing is changed', async () => {
    const { id, get } = await session();
    await patch(id, { relationships: filters(['gentle']) });
    await get('/a');
    const before = await counts();
    const refused = await patch(id, {
      attributes: { parameters: { log_info: true } },
      relationships: filters(['requests', 'nope']),
    });
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toEqual({ errors: [{ detail: 'Not a valid filter: nope' }] });
    expect(await names(id)).toEqual(['gentle']);
    expect((await read(`sessions/${id}`)).attributes.parameters.log_info).not.toBe(true);
    await get('/b');
    expect(await counts()).toEqual({ ...before, passed: before.passed + 1 });
  });
});

describe('the filters as operators see them', () => {
  it('show module, parameters, what they have counted, and the services that name them', async () => {
    const { body } = await send(`${app.admin}/v1/filters`, { headers: OPERATOR });
    const all = (JSON.parse(body) as { data: readonly (Shown & { id: string })[] }).data;
    const shown = all.map(({ id, attributes, relationships }) => ({
      id,
      module: attributes.module,
      parameters: attributes.parameters,
      counts: Object.keys(attributes.filter_diagnostics).sort(),
      services: relationships.services?.data.map((service) => service.id),
    }));
    expect(shown.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      {
        id: 'answers',
        module: 'cache',
        parameters: {
          per_session: { entries: 50, bytes: 1_048_576 },
          total: { entries: 10_000, bytes: 67_108_864 },
          ttl: 300,
        },
        counts: ['bytes', 'entries', 'hits', 'passed', 'stored'],
        services: ['full'],
      },
      {
        id: 'gentle',
        module: 'limit',
        parameters: { rate: { requests: 6, per: 3600 }, concurrency: 20 },
        counts: ['passed', 'refused_by_concurrency', 'refused_by_rate', 'running'],
        services: ['full'],
      },
      { id: 'requests', module: 'log', parameters: {}, counts: ['lines'], services: ['full'] },
    ]);
  });
});

describe('a session with a filter that is not configured in a process', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** A folder from which the store package is found, as where somebody installed it beside the configuration. */
  const project = () => {
    const folder = mkdtempSync(join(import.meta.dirname, '..', '.app-'));
    folders.push(folder);
    return folder;
  };

  it('is refused there with 503, the filter named, and the log says so; elsewhere it is served', async () => {
    const redis = await startRedis();
    try {
      const yaml = (without?: string) => `
session: { auto_create: true, transport: { type: cookie }, backend: { type: redis, resource: store } }
resources: { store: { _class: redis, url: "${redis.url}" } }
servers: { up: { url: "${upstream}" } }
${without === undefined ? SECTIONS : SECTIONS.replaceAll(new RegExp(`^ +${without}: .*\\n|, ${without}\\b`, 'gm'), '')}`;
      const [one, two] = await Promise.all([
        startApp(yaml(), { cwd: project() }),
        startApp(yaml('gentle'), { cwd: project() }),
      ]);
      const { cookie, id } = await session(one.public);
      const headers = { cookie };
      expect((await send(two.public, { headers })).status).toBe(200);
      expect((await patch(id, { relationships: filters(['gentle']) }, one.admin)).status).toBe(204);
      expect((await send(one.public, { headers })).status).toBe(200);
      const refused = await send(two.public, { headers });
      expect(problemOf(refused)).toMatchObject({
        media: 'application/problem+json',
        status: 503,
        detail: expect.stringContaining('"gentle"'),
      });
      const line = await until('a line of the log', () =>
        two.log.find((entry) => entry.session === id && String(entry.msg).includes('"gentle"')),
      );
      expect(line).toMatchObject({
        level: 'warning',
        msg: 'its filters could not be opened: the session has a filter "gentle", which is not configured',
      });
      // The document says so too, in the process that has the filter.
      const pending = async () => {
        const { body } = await send(`${one.admin}/v1/sessions/${id}`, { headers: OPERATOR });
        return (JSON.parse(body) as { data: Shown }).data.attributes.pending;
      };
      await until('the reason in the document', async () => String(await pending()).includes('"gentle"'));
      // Others are served there.
      expect((await send(two.public)).status).toBe(200);
      await patch(id, { relationships: filters(['requests']) }, one.admin);
      await until(
        'the session to be served again',
        async () => (await send(two.public, { headers })).status === 200,
      );
      await until('no reason in the document', async () => (await pending()) === undefined);
      expect(await Promise.all([one.stop(), two.stop()])).toEqual([0, 0]);
    } finally {
      await redis.stop();
    }
  });
});
