import type { SessionId } from '@sessionkit/session-core';
import { describe, expect, test } from 'vitest';
import { sessionDocument, sessionsDocument } from '../src/schemas-sessions.js';
import { type Fixture, fixture } from './fixture.js';
import { connection, holds } from './holding.js';

const KEPT = { kept: () => ({ statements: 5, lines: 3 }) };
const NOTHING = { connections: [], ioActivity: 0, buffered: 0 };

const web = ({ manager }: Pick<Fixture, 'manager'>) => {
  const service = manager.services.get('web');
  if (service === undefined) throw new Error('no service');
  return service;
};

async function shown(f: Fixture, id: string) {
  return sessionDocument.parse(await (await f.ask('GET', `/v1/sessions/${id}`)).json());
}

async function listed(f: Fixture, query = '') {
  return sessionsDocument.parse(await (await f.ask('GET', `/v1/sessions?${query}`)).json());
}

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
});
