import { describe, expect, test, vi } from 'vitest';
import { sessionsDocument } from '../src/schemas-sessions.js';
import { errorsOf, fixture } from './fixture.js';
import { BASE, encoded, many } from './many.js';

describe('a page by number', () => {
  test('has its rows, the number of all, and links to the others that repeat the query', async () => {
    const { get, all } = await many(7);
    const kept = {
      filter: '/attributes/port=gt(1)',
      'fields[sessions]': 'user,idle',
      pretty: 'no',
      sync: 'false',
    };
    const query = `filter=/attributes/port=gt(1)&fields[sessions]=user,idle&pretty=no&sync=false&whatever=1`;
    const page = await get(`page[size]=3&page[number]=1&${query}`);
    expect(page.ids).toEqual(all.slice(3, 6));
    expect(page.total).toBe(7);
    expect(Object.keys(page.data[0]?.attributes ?? {})).toEqual(['idle', 'user']);
    const link = (number: number) => encoded({ 'page[size]': 3, 'page[number]': number, ...kept });
    expect(page.links).toEqual({
      first: link(0),
      last: link(2),
      next: link(2),
      prev: link(0),
      self: link(1),
    });
    const last = await get(`page[size]=3&page[number]=2&${query}`);
    expect([last.ids, last.links.next, last.links.prev]).toEqual([all.slice(6), undefined, link(1)]);
  });

  test.each([
    ['page[size]=0', 5],
    ['page[size]=-2', 5],
    ['page[size]=x', 5],
    ['page[size]=', 5],
    ['page[size]=2&page[number]=-1', 5],
    ['page[size]=2&page[number]=x', 2],
    ['page[size]= 2.9&page[number]=0.9', 2],
    ['page[number]=3', 5],
    ['page[size]=99999999999999999999', 5],
    ['page[size]=5&page[number]=1', 0],
    ['page[size]=2&page[number]=3', 0],
  ])('%s gives %i of 5 rows', async (query, rows) => {
    const { get } = await many(5);
    expect((await get(query)).ids).toHaveLength(rows);
  });

  test('asks the store for what it shows, and counts rows one by one only where they are few', async () => {
    const { get, asked, manager, all } = await many(12);
    expect((await get('page[size]=2')).total).toBe(12);
    expect(asked.map(({ verb }) => verb)).toEqual(['count', 'list']);

    manager.count = async () => 5_000_000;
    const page = await get('page[size]=2&page[number]=3');
    expect([page.ids, page.total]).toEqual([all.slice(6, 8), 5_000_000]);
    expect(asked).toEqual([expect.objectContaining({ verb: 'list', limit: 9 })]);
  });

  test('counts sessions that have run out and are still in the store with none', async () => {
    const { get, environment } = await many(4);
    await environment.advance(3_600_000 - 2);
    const page = await get('page[size]=1');
    expect([page.ids.length, page.total]).toEqual([1, 1]);
  });

  test('of many does not lead to one that is refused', async () => {
    const { get, manager, all } = await many(4);
    manager.count = async () => 1_000_000;
    const page = await get('page[size]=2');
    const link = (number: number) => encoded({ 'page[size]': 2, 'page[number]': number });
    expect(page.links).toEqual({ first: link(0), next: link(1), self: link(0) });
    expect(all).toHaveLength(4);
  });

  test('beyond row 10,000 is a 400 that names the other way', async () => {
    const { ask } = await many(1);
    for (const query of [
      'page[size]=100&page[number]=101',
      'page[size]=10001&page[number]=1',
      'page[size]=1&page[number]=1e4&PAGE[NUMBER]=10001',
    ]) {
      const response = await ask('GET', `/v1/sessions?${query.replace('page[number]=1e4&', '')}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect(await errorsOf(response)).toEqual([expect.stringContaining('page[after]=<id')]);
    }
    for (const query of ['page[size]=100&page[number]=100', 'page[size]=50000&page[number]=0'])
      expect((await ask('GET', `/v1/sessions?${query}`)).status).toBe(200);
  });

  test('at the border leads on by id', async () => {
    const { get, manager } = await many(1);
    const list = manager.list;
    const [row] = (await list()).items;
    if (row === undefined) throw new Error('no session');
    manager.count = async () => 20_000;
    manager.list = async () => ({ items: Array.from({ length: 10_002 }, () => row), next: row.id });
    const page = await get('page[size]=1&page[number]=9999');
    expect(page.links.next).toBe(encoded({ 'page[size]': 1, 'page[number]': 10_000 }));
    const border = await get('page[size]=1&page[number]=10000&sync=no');
    expect(border.links.next).toBe(encoded({ 'page[size]': 1, 'page[after]': row.id, sync: 'no' }));
  });
});

describe('a page after an id', () => {
  test('leads to the end by its links, each row once, without a total', async () => {
    const { ask, all } = await many(13);
    const seen: string[] = [];
    let next: string | undefined = `${BASE}?page[size]=2&page[after]=${all[0]}&filter[attributes.user]="u1"`;
    let pages = 0;
    while (next !== undefined) {
      const response = await ask('GET', next.replace('http://localhost:8989', ''));
      const document = sessionsDocument.parse(await response.json());
      seen.push(...document.data.map(({ id }) => id));
      expect(document.meta.total).toBeUndefined();
      expect(Object.keys(document.links).sort()).toEqual(
        document.links.next === undefined ? ['first', 'self'] : ['first', 'next', 'self'],
      );
      next = document.links.next;
      pages++;
    }
    expect(seen).toEqual([all[1], all[4], all[7], all[10]]);
    expect(pages).toBe(2);
  });

  test('costs what the page costs', async () => {
    const { get, asked, all } = await many(12);
    const page = await get(`page[size]=3&page[after]=${all[5]}`);
    expect(page.ids).toEqual(all.slice(6, 9));
    expect(page.links.next).toBe(encoded({ 'page[size]': 3, 'page[after]': all[8] ?? '' }));
    expect(asked).toEqual([expect.objectContaining({ verb: 'list', after: all[5], limit: 4 })]);
    expect((await get(`page[size]=3&page[after]=${all[8]}`)).links.next).toBeUndefined();
    expect((await get(`page[size]=3&page[after]=${all[11]}`)).ids).toEqual([]);
  });

  test('without a size is all that comes behind it', async () => {
    const { get, all } = await many(5);
    const rest = await get(`page[after]=${all[2]}`);
    expect(rest.ids).toEqual(all.slice(3));
    expect(rest.links).toEqual({ self: encoded({ 'page[after]': all[2] ?? '' }) });
  });

  test.each([
    ['page[after]=', 'page[after]: is not a session id'],
    ['page[after]=7', 'page[after]: is not a session id'],
    ['page[size]=2&page[after]=web', 'page[after]: is not a session id'],
    [
      'page[number]=1&page[after]=s01k6y3v9qxm2r8t4w7z5b1c0d3',
      'page[number] and page[after] exclude each other.',
    ],
  ])('%s is a 400', async (query, detail) => {
    const { ask } = await many(1);
    const response = await ask('GET', `/v1/sessions?${query}`);
    expect([response.status, await errorsOf(response)]).toEqual([400, [detail]]);
  });

  test.each([
    ['page[after]=', 'page[after]: must be the id of the last row of the page before.'],
    ['page[size]=1&page[after]=web', undefined],
  ])('of other collections takes any id but none: %s', async (query, detail) => {
    const { ask } = await many(1);
    const response = await ask('GET', `/v1/services?${query}`);
    if (detail !== undefined) expect([response.status, await errorsOf(response)]).toEqual([400, [detail]]);
    else expect(await response.json()).toMatchObject({ data: [] });
  });
});

describe('a reader of a filtered list who goes away', () => {
  test('stops the search, also where nothing was found yet', async () => {
    const f = await fixture();
    await f.start();
    const [row] = (await f.manager.list()).items;
    if (row === undefined) throw new Error('no session');
    let calls = 0;
    f.manager.list = async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return { items: Array.from({ length: 500 }, () => row), next: row.id };
    };
    const response = await f.ask('GET', '/v1/sessions?filter[attributes.user]=ge("nobody")');
    const reader = response.body?.getReader();
    const read = reader?.read();
    await vi.waitFor(() => expect(calls).toBeGreaterThan(2), 10_000);
    await reader?.cancel();
    expect(await read).toEqual({ done: true, value: undefined });
    const stopped = calls;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls).toBe(stopped);
  });
});
