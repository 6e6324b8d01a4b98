import type { Filter } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { ADMIN, BASIC, errorsOf, fixture } from './fixture.js';
import { FakeSwitch, listerOf, readerOf, system } from './system.js';

const BASE = 'http://localhost:8989/v1';

async function withSystem() {
  const service = new FakeSwitch();
  const listener = new FakeSwitch();
  const made = await fixture({ system: system({ service, listener }) });
  return { ...made, service, listener, read: readerOf(made.ask), list: listerOf(made.ask) };
}

describe('a service', () => {
  test('is shown with its router, state, times, parameters, numbers and what it is related to', async () => {
    const { read, list } = await withSystem();
    expect(await read('/v1/services/web')).toEqual({
      data: {
        attributes: {
          backend: 'memory',
          listeners: (await list('/v1/listeners')).data,
          parameters: { duration: 3600, retain_last_statements: -1, session_trace: -1 },
          router: 'proxy',
          router_diagnostics: {},
          share: 'web',
          source: { file: '/etc/sessionkit.yaml', type: 'static' },
          started: 'Mon, 01 Jun 2026 11:59:30 GMT',
          state: 'Started',
          statistics: {
            active_operations: 0,
            connections: 1,
            max_connections: 2,
            requests: 9,
            total_connections: 3,
          },
          transports: ['cookie'],
          users: [],
        },
        id: 'web',
        links: { self: `${BASE}/services/web/` },
        relationships: {
          filters: {
            data: [],
            links: { related: `${BASE}/filters/`, self: `${BASE}/services/web/relationships/filters/` },
          },
          listeners: {
            data: [
              { id: 'fixed', type: 'listeners' },
              { id: 'public', type: 'listeners' },
            ],
            links: { related: `${BASE}/listeners/`, self: `${BASE}/services/web/relationships/listeners/` },
          },
          servers: {
            data: [
              { id: 'a', type: 'servers' },
              { id: 'b/c d', type: 'servers' },
            ],
            links: { related: `${BASE}/servers/`, self: `${BASE}/services/web/relationships/servers/` },
          },
        },
        type: 'services',
      },
      links: { self: `${BASE}/services/web/` },
    });
  });

  test('of an application that tells nothing more is shown as far as its manager knows it', async () => {
    const { ask } = await fixture();
    const { data } = await readerOf(ask)('/v1/services/web');
    expect(data.attributes).toMatchObject({ state: 'Started', router: null, listeners: [] });
    expect(data.attributes).not.toHaveProperty('statistics');
    expect(data.attributes).not.toHaveProperty('source');
    for (const type of ['servers', 'listeners', 'filters', 'monitors'])
      expect(await (await ask('GET', `/v1/${type}`)).json()).toEqual({
        data: [],
        links: { self: `${BASE}/${type}/` },
      });
  });
});

describe('servers, listeners and filters', () => {
  test('are sorted by name, and a name with a slash and a blank is reached by its link', async () => {
    const { list, read } = await withSystem();
    const { data } = await list('/v1/servers');
    expect(data.map(({ id }) => id)).toEqual(['a', 'b/c d']);
    const link = data[1]?.links.self ?? '';
    expect(link).toBe(`${BASE}/servers/b%2Fc%20d/`);
    expect((await read(new URL(link).pathname)).data).toEqual(data[1]);
  });

  test('are shown with the state that the process tells', async () => {
    const { read, list } = await withSystem();
    const { data } = await list('/v1/servers');
    expect(data[0]?.attributes).toEqual({
      parameters: { address: '127.0.0.1', port: 9001, protocol: 'http', socket: null },
      source: { file: '/etc/sessionkit.yaml', type: 'static' },
      state: 'Unknown',
    });
    expect(data[1]?.attributes).toMatchObject({
      last_event: 'server_down',
      parameters: { address: '::1', port: 443, protocol: 'https', steer: true },
      state: 'Down',
      statistics: { connections: 1, total_connections: 3 },
      triggered_at: 'Mon, 01 Jun 2026 11:59:55 GMT',
    });
    expect((await read('/v1/listeners/fixed')).data.attributes).toMatchObject({
      parameters: { address: '::', port: 81, service: 'web' },
      state: 'Stopped',
    });
  });

  test('a filter is shown with its module, what it tells of itself, and the services that have it', async () => {
    const filter: Filter = {
      type: 'count',
      open: () => ({ handle: (_exchange, next) => next(), close: () => {} }),
      diagnostics: () => ({ sessions: 2 }),
    };
    const { ask, manager } = await fixture({}, { filters: new Map([['my filter', filter]]) });
    manager.service('shop', { filters: ['my filter'] });
    const { data } = await listerOf(ask)('/v1/filters');
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({
      attributes: { module: 'count', filter_diagnostics: { sessions: 2 }, parameters: {} },
      id: 'my filter',
      links: { self: `${BASE}/filters/my%20filter/` },
      relationships: { services: { data: [{ id: 'shop', type: 'services' }] } },
    });
    const service = await readerOf(ask)('/v1/services/shop');
    expect(service.data.relationships.filters?.data).toEqual([{ id: 'my filter', type: 'filters' }]);
  });

  test('collections are filtered, paged and cut to fields like those of sessions', async () => {
    const { read, list, ask } = await withSystem();
    const ids = async (query: string) => (await list(`/v1/servers?${query}`)).data.map(({ id }) => id);
    expect(await ids('filter=attributes/state="Down"')).toEqual(['b/c d']);
    expect(await ids('page[size]=1&page[number]=1')).toEqual(['b/c d']);
    const { data } = await read('/v1/servers/a?fields[servers]=state');
    expect(data.attributes).toEqual({ state: 'Unknown' });
    expect((await ask('GET', '/v1/servers?filter=id=gt(')).status).toBe(400);
  });

  test.each([
    ['servers', 'server'],
    ['listeners', 'listener'],
    ['filters', 'filter'],
    ['monitors', 'monitor'],
    ['services', 'service'],
  ])('one of the %s that is not there is a 404', async (type, word) => {
    const { ask } = await withSystem();
    for (const path of [`/v1/${type}/nope`, `/v1/${type}/__proto__`]) {
      const response = await ask('GET', path);
      expect([path, response.status]).toEqual([path, 404]);
      expect(await errorsOf(response)).toEqual([`There is no such ${word}.`]);
    }
    expect((await ask('GET', `/v1/${type}/nope/relationships/services`)).status).toBe(404);
  });
});

describe('start and stop', () => {
  test.each(['services/web', 'listeners/public'])('of %s reach the process, and are logged', async (path) => {
    const { ask, environment, ...fakes } = await withSystem();
    const fake = path.startsWith('services') ? fakes.service : fakes.listener;
    const put = async (rest: string) => (await ask('PUT', `/v1/${path}/${rest}`)).status;
    fake.next = { changed: true, cut: 2 };
    expect(await put('stop?force=yes')).toBe(204);
    fake.next = { changed: true, cut: 0 };
    expect(await put('stop')).toBe(204);
    expect(await put('stop?force=no&sync=false')).toBe(204);
    expect(await put('start?sync=false')).toBe(204);
    expect(await put('start/')).toBe(204);
    expect(fake.told).toEqual(['stop by force', 'stop', 'stop', 'start', 'start']);
    const word = path.startsWith('services') ? 'service "web"' : 'listener "public"';
    expect(environment.entries.slice(0, 2)).toEqual([
      { level: 'notice', message: `admin stopped the ${word} and cut 2 requests` },
      { level: 'notice', message: `admin stopped the ${word}` },
    ]);
    expect(environment.entries.at(-1)?.message).toBe(`admin started the ${word}`);
  });

  test('that change nothing are a 204 and no line in the log', async () => {
    const { ask, listener, environment } = await withSystem();
    listener.next = { changed: false, cut: 0 };
    expect((await ask('PUT', '/v1/listeners/public/start')).status).toBe(204);
    expect(environment.entries).toEqual([]);
  });

  test('that cannot be are a 409 with the reason', async () => {
    const { ask, listener } = await withSystem();
    listener.next = { refused: 'listeners.public: port 8080 on 127.0.0.1 is taken by another program.' };
    const response = await ask('PUT', '/v1/listeners/public/start');
    expect(response.status).toBe(409);
    expect(await errorsOf(response)).toEqual([
      'listeners.public: port 8080 on 127.0.0.1 is taken by another program.',
    ]);
  });

  test('of what this process cannot switch are a 501', async () => {
    const { ask } = await withSystem();
    expect((await ask('PUT', '/v1/listeners/fixed/stop')).status).toBe(501);
    const embedded = await fixture();
    expect((await embedded.ask('PUT', '/v1/services/web/stop')).status).toBe(501);
  });

  test.each([
    ['/v1/services/nope/stop', 404, 'There is no such service.'],
    ['/v1/listeners/nope/start', 404, 'There is no such listener.'],
    ['/v1/services/web/stop?force=perhaps', 400, 'force: must be yes or no'],
    ['/v1/services/web/stop?now=yes', 400, "the query: unknown name 'now'"],
    ['/v1/services/web/pause', 404, undefined],
    ['/v1/servers/a/stop', 404, undefined],
  ])('PUT %s is a %i, and nothing is switched', async (path, status, detail) => {
    const { ask, service, listener } = await withSystem();
    const response = await ask('PUT', path);
    expect(response.status).toBe(status);
    const details = await errorsOf(response);
    if (detail !== undefined) expect(details).toEqual([detail]);
    expect([...service.told, ...listener.told]).toEqual([]);
  });

  test('are refused to a basic user, and to a page of another site', async () => {
    const { ask, service } = await withSystem();
    expect((await ask('PUT', '/v1/services/web/stop', { as: BASIC })).status).toBe(401);
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await ask('PUT', '/v1/services/web/stop', { as: ADMIN, headers })).status).toBe(403);
    expect(service.told).toEqual([]);
  });
});
