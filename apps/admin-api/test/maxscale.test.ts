import { setTimeout as delay } from 'node:timers/promises';
import { processEnvironment, SessionError } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { createMeter, Settings, thisThread } from '../src/index.js';
import { BASIC, errorsOf, fixture } from './fixture.js';
import { FakeSwitch, listerOf, readerOf, system } from './system.js';

const BASE = 'http://localhost:8989/v1';

async function withSystem() {
  const settings = new Settings();
  const told = system({ service: new FakeSwitch(), listener: new FakeSwitch() });
  const made = await fixture({ system: { ...told, settings } });
  const alter = (path: string, parameters: unknown, more: object = {}) =>
    made.ask('PATCH', path, { body: JSON.stringify({ data: { attributes: { parameters }, ...more } }) });
  return { ...made, settings, read: readerOf(made.ask), list: listerOf(made.ask), alter };
}

describe('the process', () => {
  test('is shown with version, times, parameters and where it runs', async () => {
    const { read } = await withSystem();
    const { data, links } = await read('/v1/maxscale');
    expect(links).toEqual({ self: `${BASE}/maxscale/` });
    expect(data).toMatchObject({
      attributes: {
        activated_at: 'Mon, 01 Jun 2026 11:59:00 GMT',
        parameters: { admin_port: 8989, retain_last_statements: 0, session_trace: 0, threads: 1 },
        process_datetime: 'Mon, 01 Jun 2026 12:00:00 GMT',
        started_at: 'Mon, 01 Jun 2026 11:59:00 GMT',
        system: { runtime: { name: 'node', pid: process.pid, version: process.versions.node } },
        uptime: 60,
        version: '1.2.3',
      },
      id: 'maxscale',
      type: 'maxscale',
    });
  });

  test('shows its event loop in the units of the contract: percent, seconds, bytes', async () => {
    const { read, list, ask } = await withSystem();
    const { data } = await list('/v1/maxscale/threads');
    expect(data).toEqual([
      {
        attributes: {
          stats: {
            accepts: 3,
            current_descriptors: 20,
            event_loop_lag: { max: 0.3, mean: 0.0015, p50: 0.001, p99: 0.02025 },
            listening: true,
            load: { last_hour: 13, last_minute: 50, last_second: 99 },
            memory: { array_buffers: 1, external: 2, heap_total: 4, heap_used: 3, total: 5 },
            state: 'Active',
          },
        },
        id: '0',
        links: { self: `${BASE}/maxscale/threads/0/` },
        type: 'threads',
      },
    ]);
    expect((await read('/v1/maxscale/threads/0')).data).toEqual(data[0]);
    const response = await ask('GET', '/v1/maxscale/threads/1');
    expect([response.status, await errorsOf(response)]).toEqual([404, ['There is no such thread.']]);
  });

  test('shows its modules', async () => {
    const { read, list, ask } = await withSystem();
    const { data } = await list('/v1/maxscale/modules');
    expect(data.map(({ id }) => id)).toEqual(['backend-memory', 'router-proxy']);
    expect((await read('/v1/maxscale/modules/router-proxy')).data.attributes).toEqual({
      commands: [],
      module_type: 'router',
      package: '@sessionkit/router-proxy',
      parameters: [],
      version: '0.1.0',
    });
    expect((await ask('GET', '/v1/maxscale/modules/nope')).status).toBe(404);
  });

  test('embedded tells what its manager and node know', async () => {
    const { ask } = await fixture();
    const read = async (path: string) => (await readerOf(ask)(path)).data;
    const list = async (path: string) => (await listerOf(ask)(path)).data;
    expect((await read('/v1/maxscale')).attributes).not.toHaveProperty('version');
    expect((await list('/v1/maxscale/modules')).map(({ id }) => id)).toEqual([
      'backend-memory',
      'transport-cookie',
    ]);
    const [thread] = await list('/v1/maxscale/threads');
    expect(thread?.attributes.stats?.memory.total).toBeGreaterThan(1_000_000);
    expect(thread?.attributes.stats).not.toHaveProperty('load');
    expect((await read('/v1/maxscale/logs')).attributes.log_file).toBe(null);
    expect((await read('/v1/maxscale/logs/data')).attributes.log).toEqual([]);
    expect((await ask('POST', '/v1/maxscale/logs/flush')).status).toBe(204);
  });

  test('answers what a report asks for besides', async () => {
    const { read, ask, manager } = await withSystem();
    expect((await read('/v1/maxscale/query_classifier')).data.attributes).toEqual({ parameters: {} });
    const stores = async () => (await read('/v1/maxscale/debug/server_diagnostics')).data.attributes.stores;
    const healthy = { type: 'memory', services: ['web'], clock_offset: 0, state: 'Running' };
    expect(await stores()).toEqual([healthy]);
    manager.health = () =>
      Promise.resolve([
        {
          type: 'redis',
          services: ['web'],
          ok: false,
          reason: 'redis://x:hunter2@h',
          clockOffset: undefined,
        },
      ]);
    expect(await stores()).toEqual([{ type: 'redis', services: ['web'], state: 'Down' }]);
    manager.health = () => Promise.reject(new SessionError('BACKEND_DOWN', 'hunter2'));
    const response = await ask('GET', '/v1/maxscale/debug/server_diagnostics');
    expect([response.status, await errorsOf(response)]).toEqual([
      503,
      ['The session store cannot be reached. Try again.'],
    ]);
  });
});

describe('the process log', () => {
  test('is read from its end, page by page, until nothing is older', async () => {
    const { read } = await withSystem();
    const first = await read('/v1/maxscale/logs/data');
    expect(first.data.attributes.log).toHaveLength(50);
    expect(first.data.attributes.log?.[0]).toEqual({
      id: '71',
      message: 'line 71',
      priority: 'info',
      timestamp: '2026-06-01T12:00:00.070Z',
    });
    const ids: number[] = [];
    let url: string | undefined = `${BASE}/maxscale/logs/data?page[size]=50`;
    while (url !== undefined) {
      const { pathname, search } = new URL(url);
      const page: Awaited<ReturnType<typeof read>> = await read(pathname + search);
      ids.unshift(...(page.data.attributes.log ?? []).map(({ id }) => Number(id)));
      url = page.links.prev;
    }
    expect(ids).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  });

  test.each([
    ['page[size]=1000', 120],
    ['page[size]=5000', 120],
    ['page[size]=3', 3],
    ['page[size]=0', 50],
    ['page[size]=many', 50],
    ['page[size]=2x', 2],
    ['page[cursor]=11', 10],
    ['page[cursor]=1', 0],
    ['page[cursor]=x', 50],
  ])('with %s has %i lines', async (query, count) => {
    const { read } = await withSystem();
    expect((await read(`/v1/maxscale/logs/data?${query}`)).data.attributes.log).toHaveLength(count);
  });

  test('is not shown to a basic user, unless basic users see activity', async () => {
    const { ask } = await withSystem();
    const lines = async (api: { ask: typeof ask }) => {
      const response = await api.ask('GET', '/v1/maxscale/logs/data', { as: BASIC });
      expect(response.status).toBe(200);
      return ((await response.json()) as Awaited<ReturnType<ReturnType<typeof readerOf>>>).data.attributes
        .log;
    };
    expect(await lines({ ask })).toBeUndefined();
    const told = system({ service: new FakeSwitch(), listener: new FakeSwitch() });
    expect(await lines(await fixture({ system: told, basicSeesActivity: true }))).toHaveLength(50);
    expect((await ask('POST', '/v1/maxscale/logs/flush', { as: BASIC })).status).toBe(401);
  });
});

describe('settings', () => {
  test('of all services and of one are set, shown, and reach whoever keeps what sessions do', async () => {
    const { alter, read, settings, environment } = await withSystem();
    const shown = async (path: string) => (await read(path)).data.attributes.parameters;
    expect(settings.kept('web')).toEqual({ statements: 0, lines: 0 });
    expect((await alter('/v1/maxscale', { retain_last_statements: 5, session_trace: 20 })).status).toBe(204);
    expect(await shown('/v1/maxscale')).toMatchObject({ retain_last_statements: 5, session_trace: 20 });
    expect(await shown('/v1/services/web')).toMatchObject({ retain_last_statements: -1, session_trace: -1 });
    expect(settings.kept('web')).toEqual({ statements: 5, lines: 20 });

    expect((await alter('/v1/services/web', { session_trace: 0 })).status).toBe(204);
    expect(await shown('/v1/services/web')).toMatchObject({ retain_last_statements: -1, session_trace: 0 });
    expect(settings.kept('web')).toEqual({ statements: 5, lines: 0 });
    expect(settings.kept('other')).toEqual({ statements: 5, lines: 20 });

    expect((await alter('/v1/services/web', { session_trace: -1 })).status).toBe(204);
    expect(settings.kept('web')).toEqual({ statements: 5, lines: 20 });
    expect((await alter('/v1/maxscale', { session_trace: 1 })).status).toBe(204);
    expect(settings.kept('web')).toEqual({ statements: 5, lines: 1 });
    expect(environment.entries.map(({ message, service }) => [message, service])).toEqual([
      ['admin set {"retain_last_statements":5,"session_trace":20}', undefined],
      ['admin set {"session_trace":0}', 'web'],
      ['admin set {"session_trace":-1}', 'web'],
      ['admin set {"session_trace":1}', undefined],
    ]);
  });

  test('are kept apart from those of an application that hands in its own', async () => {
    const { settings } = await withSystem();
    settings.setGlobal({ session_trace: 3 });
    expect(new Settings().kept('web')).toEqual({ statements: 0, lines: 0 });
  });

  test.each([
    [{ session_trace: -1 }, 'session_trace: must be at least 0'],
    [{ session_trace: 101 }, 'session_trace: must be at most 100: no more is kept of a session'],
    [{ session_trace: 1.5 }, 'session_trace: must be a whole number from 0 to 100'],
    [{ session_trace: '5' }, 'session_trace: must be a whole number from 0 to 100'],
    [{ session_trace: null }, 'session_trace: must be a whole number from 0 to 100'],
    [{ retain_last_statements: true }, 'retain_last_statements: must be a whole number from 0 to 100'],
  ])('of %j are a 400 that names the place, and nothing is set', async (parameters, problem) => {
    const { alter, settings } = await withSystem();
    const response = await alter('/v1/maxscale', { retain_last_statements: 7, ...parameters });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual([`data.attributes.parameters.${problem}`]);
    expect(settings.global).toEqual({ retain_last_statements: 0, session_trace: 0 });
  });

  test.each([
    ['/v1/maxscale', { threads: 4 }, {}, "data.attributes.parameters: unknown name 'threads'"],
    ['/v1/services/web', { duration: 1 }, {}, "data.attributes.parameters: unknown name 'duration'"],
    ['/v1/services/web', { session_trace: 1 }, { id: 'shop' }, 'data.id: is not the service of the path'],
    ['/v1/maxscale', {}, { relationships: {} }, "data: unknown name 'relationships'"],
    ['/v1/services/web', { session_trace: -2 }, {}, undefined],
  ])('PATCH %s of %j is a 400', async (path, parameters, more, detail) => {
    const { alter, settings } = await withSystem();
    const response = await alter(path, parameters, more);
    expect(response.status).toBe(400);
    const details = await errorsOf(response);
    if (detail !== undefined) expect(details).toEqual([detail]);
    expect(settings.kept('web')).toEqual({ statements: 0, lines: 0 });
  });

  test('without parameters change nothing, of an unknown service are a 404, for a basic user a 401', async () => {
    const { alter, ask, environment } = await withSystem();
    expect((await alter('/v1/maxscale', {})).status).toBe(204);
    expect((await alter('/v1/services/web', {}, { id: 'web', type: 'services' })).status).toBe(204);
    expect(environment.entries).toEqual([]);
    expect((await alter('/v1/services/nope', { session_trace: 1 })).status).toBe(404);
    for (const path of ['/v1/maxscale', '/v1/services/web'])
      expect((await ask('PATCH', path, { as: BASIC, body: '{"data":{}}' })).status).toBe(401);
    expect((await ask('PATCH', '/v1/maxscale', { body: '' })).status).toBe(400);
  });
});

describe('what node tells', () => {
  test('a busy event loop shows in load and lag, and a rested one no more', async () => {
    const ticks: (() => void)[] = [];
    const meter = createMeter({
      ...processEnvironment,
      every: (_interval, task) => {
        ticks.push(task);
        return () => void ticks.splice(0);
      },
    });
    const tick = () => {
      for (const task of ticks) task();
    };
    await delay(50);
    tick();
    const end = performance.now() + 300;
    while (performance.now() < end);
    await delay(30);
    tick();
    const busy = meter.read();
    expect(busy.load.lastSecond).toBeGreaterThan(0.3);
    expect(busy.load.lastMinute).toBeLessThan(busy.load.lastSecond);
    expect(busy.lag.max).toBeGreaterThan(150);
    expect(busy.lag.p50).toBeLessThan(busy.lag.max);
    await delay(300);
    tick();
    expect(meter.read().load.lastSecond).toBeLessThan(busy.load.lastSecond);
    for (let i = 3; i < 60; i++) tick();
    await delay(60);
    for (let i = 0; i < 60; i++) tick();
    expect(meter.read().lag.max).toBeLessThan(busy.lag.max);
    meter.close();
    expect(ticks).toEqual([]);
  });

  test('descriptors are those that are open', async () => {
    const { open } = await import('node:fs/promises');
    const before = (await thisThread()).descriptors ?? 0;
    const files = await Promise.all(Array.from({ length: 10 }, () => open(import.meta.filename)));
    const during = (await thisThread()).descriptors ?? 0;
    await Promise.all(files.map((file) => file.close()));
    expect(during - before).toBe(10);
  });
});
