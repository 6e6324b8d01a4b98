import type { Backend, SessionId } from '@sessionkit/session-core';
import { createSessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type SessionResource, sessionDocument, sessionsDocument } from '../src/schemas-sessions.js';
import { BASIC, errorsOf, type Fixture, fixture, openVisit } from './fixture.js';
import { connection, holds } from './holding.js';

const KEPT = { kept: () => ({ statements: 5, lines: 3 }) };
const NOTHING = { connections: [], ioActivity: 0, buffered: 0 };

/** Another process on the store of the first one. */
function another({ environment, backend }: Pick<Fixture, 'environment'> & { readonly backend: Backend }) {
  const manager = createSessionManager({ environment, ...KEPT });
  manager.service('web', { backend, transports: [cookie({ name: 'web' })], autoCreate: true });
  onTestFinished(() => manager.close());
  return manager;
}

const web = ({ manager }: Pick<Fixture, 'manager'>) => {
  const service = manager.services.get('web');
  if (service === undefined) throw new Error('no service');
  return service;
};

async function attributes(f: Fixture, id: string, as?: typeof BASIC): Promise<SessionResource['attributes']> {
  return (await shown(f, id, as)).data.attributes;
}

async function shown(f: Fixture, id: string, as?: typeof BASIC) {
  return sessionDocument.parse(await (await f.ask('GET', `/v1/sessions/${id}`, { as })).json());
}

async function listed(f: Fixture, query = '', as?: typeof BASIC) {
  return sessionsDocument.parse(await (await f.ask('GET', `/v1/sessions?${query}`, { as })).json());
}

describe('what a session does', () => {
  test('is told of all processes: its requests, newest first and running ones too, and its log', async () => {
    const f = await fixture({}, KEPT);
    const { id, token } = await f.start();
    const other = another(f);
    const visit = await openVisit(other, token);
    const first = web({ manager: other }).note(visit, 'POST /cart?item');
    await f.environment.advance(120);
    first?.answered('server1');
    await f.environment.advance(30);
    first?.end();
    web(f).note(await openVisit(f.manager, token), 'GET /slow');
    f.manager.environment.log({ level: 'info', service: 'web', session: id, message: 'from here' });
    await f.environment.advance(50);
    other.environment.log({ level: 'warning', service: 'web', session: id, message: 'from there' });
    await f.environment.advance(2_000);

    const { queries, log } = await attributes(f, id);
    expect(queries).toEqual([
      { command: 'GET', received: '2026-06-01T12:00:00.150Z', responses: [], statement: 'GET /slow' },
      {
        command: 'POST',
        completed: '2026-06-01T12:00:00.150Z',
        received: '2026-06-01T12:00:00.000Z',
        responses: [{ duration: 120, server: 'server1' }],
        statement: 'POST /cart?item',
      },
    ]);
    expect(log).toEqual([
      `2026-06-01 12:00:00.150Z   info   : (${id}) (web); from here`,
      `2026-06-01 12:00:00.200Z   warning: (${id}) (web); from there`,
    ]);
    const [row] = (await listed(f)).data;
    expect(row?.attributes).toMatchObject({ queries, log });
  });

  test('is no more of the log than is kept', async () => {
    const f = await fixture({}, KEPT);
    const { id } = await f.start();
    for (let i = 0; i < 9; i++)
      f.manager.environment.log({ level: 'debug', service: 'web', session: id, message: `line ${i}` });
    expect((await attributes(f, id)).log.map((line) => line.slice(-6))).toEqual([
      'line 6',
      'line 7',
      'line 8',
    ]);
  });

  test('that a process has died over is not shown as running for ever', async () => {
    const f = await fixture({}, KEPT);
    const { id, token } = await f.start();
    const other = another(f);
    const visit = await openVisit(other, token);
    web({ manager: other }).attach(holds({ ...NOTHING, connections: [connection('s', 1)] }, id));
    web({ manager: other }).note(visit, 'GET /');
    await f.environment.advance(60_000);
    expect((await attributes(f, id)).queries).toHaveLength(1);
    // What a killed process leaves behind: entries in the journal, and nobody who holds the session.
    await f.backend.announce((await f.manager.holdings([id])).get(id)?.[0]?.process ?? '', [], 1, signal());
    expect((await attributes(f, id)).queries).toEqual([]);
  });

  test('is for admins, and for others only when that is configured; what they do not see is named', async () => {
    for (const basicSeesActivity of [false, true]) {
      const f = await fixture({ basicSeesActivity }, KEPT);
      const { id, token } = await f.start();
      web(f).note(await openVisit(f.manager, token), 'GET /private');
      f.manager.environment.log({ level: 'info', service: 'web', session: id, message: 'secret' });
      const seen = basicSeesActivity ? 1 : 0;
      const one = await shown(f, id, BASIC);
      const list = await listed(f, 'page[size]=5', BASIC);
      for (const { queries, log } of [one.data.attributes, list.data[0]?.attributes ?? one.data.attributes])
        expect([queries.length, log.length]).toEqual([seen, seen]);
      expect(one.meta.unknown).toEqual(basicSeesActivity ? [] : ['log', 'queries']);
      expect(list.meta.unknown.includes('queries')).toBe(!basicSeesActivity);
      expect((await attributes(f, id)).queries).toHaveLength(1);
      // Nor by a filter.
      const filter = 'filter=/attributes/queries/0/command=eq("GET")';
      expect((await listed(f, filter, BASIC)).data).toHaveLength(seen);
      expect((await listed(f, filter)).data).toHaveLength(1);
    }
  });
});

describe('what is held of a session', () => {
  test('is united over processes: connections, activity, memory, and who holds it', async () => {
    const f = await fixture();
    const { id } = await f.start();
    const idle = await attributes(f, id);
    expect([idle.connections, idle.io_activity, idle.memory.connection_buffers]).toEqual([
      [],
      0,
      { total: 0 },
    ]);
    expect(idle).not.toHaveProperty('thread');
    const cipher = 'TLS_AES_256_GCM_SHA384';
    web({ manager: another(f) }).attach(
      holds({ connections: [connection('b', 9), connection('a', 12)], ioActivity: 3, buffered: 100 }, id),
    );
    web(f).attach(holds({ connections: [connection('a', 2, cipher)], ioActivity: 4, buffered: 20 }, id));
    await f.environment.advance(2_000);
    const held = await attributes(f, id);
    expect(held).toMatchObject({
      connections: [
        { server: 'a', connection_id: 2, cipher },
        { server: 'a', connection_id: 12, cipher: '' },
        { server: 'b', connection_id: 9, cipher: '' },
      ],
      io_activity: 7,
      memory: { connection_buffers: { total: 120 }, data: 41, total: 161 },
      thread: process.pid,
    });
    const list = await listed(f);
    expect(list.data[0]?.attributes).toMatchObject({
      connections: held.connections,
      io_activity: 7,
      memory: { connection_buffers: { total: 120 } },
      thread: process.pid,
    });
    expect(list.meta.unknown).toEqual(['memory/data', 'memory/total']);
  });

  test('vanishes with the lease of a process that was killed', async () => {
    const f = await fixture();
    const { id } = await f.start();
    const links = [
      {
        id,
        process: 'killed',
        since: 1,
        detail: { connections: [connection('a', 1)], ioActivity: 1, pid: 7 },
      },
    ];
    await f.backend.announce('killed', links, 10_000, signal());
    expect(await attributes(f, id)).toMatchObject({ connections: [{ server: 'a' }], thread: 7 });
    await f.environment.advance(10_001);
    expect((await attributes(f, id)).connections).toEqual([]);
  });
});

describe('a list', () => {
  async function listing(count: number) {
    const f = await fixture({}, KEPT);
    const ids: SessionId[] = [];
    for (let i = 0; i < count; i++) ids.push((await f.start({ user: `u${i % 10}` })).id);
    ids.sort();
    f.manager.environment.log({ level: 'info', service: 'web', session: ids[0], message: 'hello' });
    web(f).attach(holds({ ...NOTHING, ioActivity: 1 }));
    const asked: [string, number][] = [];
    const { activity, holdings } = f.manager;
    f.manager.activity = (ids) => {
      asked.push(['activity', ids.length]);
      return activity.call(f.manager, ids);
    };
    f.manager.holdings = (ids) => {
      asked.push(['holdings', ids.length]);
      return holdings.call(f.manager, ids);
    };
    const get = async (query: string) => {
      asked.length = 0;
      const document = await listed(f, query);
      const logs = document.data.filter(({ attributes }) => attributes?.log.length === 1).length;
      const active = document.data.filter(({ attributes }) => attributes?.io_activity === 1).length;
      return { rows: document.data.length, logs, active, unknown: document.meta.unknown };
    };
    return { ...f, asked, get };
  }

  test('of 1,000 sessions shows it, asked for by many rows at a time', async () => {
    const { get, asked } = await listing(1_000);
    expect(await get('')).toEqual({
      rows: 1_000,
      logs: 1,
      active: 1_000,
      unknown: ['memory/data', 'memory/total'],
    });
    expect(asked).toHaveLength(40);
    expect(asked.every(([, rows]) => rows === 50)).toBe(true);
  });

  test('of more shows none of it and says so, unless a page or its names are asked for', async () => {
    const { get, asked, ask } = await listing(1_001);
    const all = ['connections', 'io_activity', 'log', 'memory', 'pending', 'queries', 'thread'];
    expect(await get('')).toEqual({ rows: 1_001, logs: 0, active: 0, unknown: all });
    expect(asked).toEqual([]);
    expect(await get('page[size]=20')).toMatchObject({ rows: 20, logs: 1, active: 20 });
    expect(asked).toEqual([
      ['activity', 20],
      ['holdings', 20],
    ]);
    expect(await get('page[size]=20&page[number]=2')).toMatchObject({ rows: 20, logs: 0, active: 20 });
    expect(asked.every(([, rows]) => rows <= 20)).toBe(true);
    // Of the rows that a filter leaves.
    expect(await get('page[size]=5&filter=/attributes/user="u3"')).toMatchObject({ rows: 5, active: 5 });
    expect(asked.reduce((sum, [, rows]) => sum + rows, 0)).toBe(10);
    // By the store a hundred: they are few.
    expect(await get('filter=/attributes/user="u3"')).toMatchObject({ rows: 100, active: 100 });

    asked.length = 0;
    const { data } = (await (await ask('GET', '/v1/sessions?fields[sessions]=log,user')).json()) as {
      data: { attributes: Record<string, unknown> }[];
    };
    expect(data.filter(({ attributes }) => (attributes.log as string[]).length === 1)).toHaveLength(1);
    expect(new Set(asked.map(([verb]) => verb))).toEqual(new Set(['activity']));
    asked.length = 0;
    await (await ask('GET', '/v1/sessions?fields[sessions]=user')).text();
    await (await ask('GET', '/v1/sessions?fields[sessions]=user&page[size]=9')).text();
    expect(asked).toEqual([]);
  });

  test('is filtered by what it shows', async () => {
    const { get, asked } = await listing(1_001);
    for (const filter of ['filter=/attributes/log/0=ge("2026")', 'filter[attributes.log[*]]=ne("x")'])
      expect(await get(filter)).toMatchObject({ rows: 1, logs: 1, active: 0 });
    expect(await get('filter=/attributes/io_activity=gt(0)&page[size]=1')).toMatchObject({
      rows: 1,
      logs: 1,
    });
    expect(await get('filter=/attributes/io_activity=gt(1)')).toMatchObject({ rows: 0 });
    expect(asked.length).toBeGreaterThan(0);
  });
});

describe('a store that cannot tell', () => {
  /** Without a journal, and without the presence of other processes. */
  async function poor(shared: boolean) {
    const f = await fixture({}, KEPT);
    const { id } = await f.start();
    Object.assign(f.backend, {
      append: undefined,
      read: undefined,
      announce: undefined,
      present: undefined,
      traits: { ...f.backend.traits, shared },
    });
    f.manager.environment.log({ level: 'info', service: 'web', session: id, message: 'hello' });
    web(f).attach(holds({ ...NOTHING, connections: [connection('own', 1)] }, id));
    return { f, id };
  }

  test('has its gaps named', async () => {
    const { f, id } = await poor(true);
    const { data, meta } = await shown(f, id);
    expect(data.attributes.log).toEqual([]);
    expect(meta.unknown).toEqual([
      'connections',
      'io_activity',
      'log',
      'memory',
      'pending',
      'queries',
      'thread',
    ]);
    expect((await listed(f)).meta.unknown).toEqual(
      expect.arrayContaining(['connections', 'log', 'queries', 'thread']),
    );
  });

  test('of others, where there can be none, has no gap', async () => {
    const { f, id } = await poor(false);
    const { data, meta } = await shown(f, id);
    expect(data.attributes.connections).toEqual([{ server: 'own', connection_id: 1, cipher: '' }]);
    expect(meta.unknown).toEqual(['log', 'queries']);
  });

  test.each(['read', 'present'] as const)('now (%s fails) is a 503, and no empty answer', async (verb) => {
    const f = await fixture({}, KEPT);
    const { id } = await f.start();
    Object.assign(f.backend, { [verb]: () => Promise.reject(new Error('gone')) });
    for (const path of [`/v1/sessions/${id}`, '/v1/sessions', '/v1/sessions?page[size]=1']) {
      const response = await f.ask('GET', path);
      expect([path, response.status]).toEqual([path, 503]);
      expect(await errorsOf(response)).toHaveLength(1);
    }
    expect((await f.ask('GET', `/sessions/${id}/connections`)).status).toBe(verb === 'present' ? 503 : 200);
  });
});

const signal = () => new AbortController().signal;
