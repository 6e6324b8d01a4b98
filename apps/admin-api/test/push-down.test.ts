import { describe, expect, test } from 'vitest';
import { parseCollectionQuery } from '../src/query/query.js';
import { sessionsDocument } from '../src/schemas-sessions.js';
import { fixture } from './fixture.js';
import { draws, many } from './many.js';

describe('the store is asked', () => {
  test.each<[string, number, readonly object[]]>([
    ['filter=/attributes/user="u1"', 4, [{ verb: 'list', user: 'u1' }]],
    ['filter[attributes.user]=and("u1",ne("x"))', 4, [{ verb: 'list', user: 'u1' }]],
    ['filter[attributes.user]=or("u1","u1")', 4, [{ verb: 'list', user: 'u1' }]],
    ['filter=/attributes/user=or("u1","u2")', 8, [{ verb: 'list', user: undefined }]],
    ['filter=/attributes/user=ge("u1")', 8, [{ verb: 'list', user: undefined }]],
    ['filter=/attributes/user=not("u1")', 8, [{ verb: 'list', user: undefined }]],
    ['filter=/attributes/user="u1"&filter[attributes.user]="u2"', 0, []],
    ['filter=/attributes/user=7', 0, []],
    ['filter=/attributes/user=gt(7)', 0, []],
    ['filter=/relationships/services/data/0/id="web"', 12, [{ verb: 'list', service: 'web' }]],
    ['filter[relationships.services.data[0].id]="web"', 12, [{ verb: 'list', service: 'web' }]],
    ['filter[relationships.services.data[*].id]="web"', 12, [{ verb: 'list', service: 'web' }]],
    ['filter[relationships.services.data[*].id]=ne("web")', 0, [{ verb: 'list', service: undefined }]],
    ['filter=/relationships/services/data/0/id="else"', 0, [{ verb: 'list', service: 'else' }]],
    [
      'filter=/relationships/services/data/0/id="web"&filter[attributes.user]="u1"',
      4,
      [{ verb: 'list', service: 'web', user: 'u1' }],
    ],
    ['filter=/attributes/state="Session started"', 12, [{ verb: 'list' }]],
    ['filter=/attributes/state="Stopping session"', 0, [{ verb: 'list' }]],
    ['filter=/attributes/state="Freed session"', 0, []],
    ['filter=/attributes/port=gt(1)', 12, [{ verb: 'list', limit: 500 }]],
    ['filter[nowhere]=1', 0, [{ verb: 'list' }]],
    ['filter[$..id]=1', 0, [{ verb: 'list' }]],
  ])('for %s (%i rows)', async (query, rows, expected) => {
    const { get, asked } = await many(12);
    const { ids } = await get(query);
    expect(ids).toHaveLength(rows);
    expect(asked).toEqual(expected.map((each) => expect.objectContaining(each)));
  });

  test('so that the rows are the same as if all were looked at, whatever the filters', async () => {
    const { get, ask, all } = await many(12);
    await ask('DELETE', `/v1/sessions/${all[7]}?ttl=1000`);
    const rows = (await get('')).data;
    const random = draws(1);
    const one = <T>(from: readonly T[]): T => from[random(from.length)] as T;
    const values = [
      'u0',
      'u1',
      'web',
      'Session started',
      'Stopping session',
      's',
      't',
      ...all,
      all[4]?.slice(0, 22),
      7,
      null,
    ];
    const literal = () => JSON.stringify(one(values));
    const expression = (depth: number): string => {
      const parts = () => Array.from({ length: 1 + random(3) }, () => expression(depth + 1)).join();
      if (depth < 3 && random(3) === 0) return `${one(['and', 'or', 'not'])}(${parts()})`;
      return random(3) === 0 ? literal() : `${one(['eq', 'ne', 'lt', 'le', 'gt', 'ge'])}(${literal()})`;
    };
    const names = [
      'id',
      'attributes.user',
      'attributes.state',
      'relationships.services.data[0].id',
      'relationships.services.data[*].id',
    ];
    const sizes = new Set<number>();
    for (let i = 0; i < 400; i++) {
      const filters = new Map(
        Array.from({ length: 1 + random(2) }, () => [`filter[${one(names)}]`, expression(0)]),
      );
      const query = parseCollectionQuery(Object.fromEntries(filters));
      const fitting = rows.filter((row) => query.filters.every((filter) => filter.fits(row)));
      sizes.add(fitting.length);
      const text = [...filters].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
      const paged = await get(`${text}&page[size]=50`);
      expect([text, paged.ids, paged.total]).toEqual([text, fitting.map(({ id }) => id), fitting.length]);
    }
    expect(sizes.size).toBeGreaterThan(6);
  });

  test('and a store that leaves out a row of a user is noticed', async () => {
    const { get, manager } = await many(12);
    const { data: rows } = await get('');
    const list = manager.list;
    manager.list = async (query) => {
      const page = await list(query);
      return query?.user === undefined ? page : { ...page, items: page.items.slice(1) };
    };
    const text = 'filter[attributes.user]="u1"';
    const { filters } = parseCollectionQuery({ 'filter[attributes.user]': '"u1"' });
    const fitting = rows.filter((row) => filters.every((filter) => filter.fits(row)));
    expect((await get(text)).ids).not.toEqual(fitting.map(({ id }) => id));
  });

  test('for no more than the ids that are meant', async () => {
    const { get, asked, all } = await many(12);
    const [, , third, fourth] = all;
    const last = all[11];
    expect((await get(`filter=id="${third}"`)).ids).toEqual([third]);
    expect(asked).toEqual([{ verb: 'get', after: third }]);
    expect((await get(`filter=id=or("${last}","${third}","7","s","${third}x")`)).ids).toEqual([third, last]);
    expect(asked).toHaveLength(2);
    expect((await get(`filter=id=or("${last}","${third}")&page[after]=${fourth}`)).ids).toEqual([last]);
    expect((await get(`filter=id="${third}"&filter[attributes.user]="nobody"`)).ids).toEqual([]);
    expect((await get('filter=id=7')).ids).toEqual([]);
    expect(asked).toEqual([]);
    const page = await get(`filter=id="${third}"&page[size]=5`);
    expect([page.ids, page.total]).toEqual([[third], 1]);
  });

  test('for no more than the ids between', async () => {
    const { get, asked, all } = await many(12);
    const [low = '', high = ''] = [all[3], all[8]];
    const inside = all.slice(3, 9);
    expect((await get(`filter=id=and(ge("${low}"),le("${high}"))`)).ids).toEqual(inside);
    expect((await get(`filter=id=and(gt("${low}"),lt("${high}"))`)).ids).toEqual(inside.slice(1, -1));
    expect((await get(`filter=id=ge("${low}")&filter[id]=le("${high}")`)).ids).toEqual(inside);
    const [{ after = '' } = {}] = asked;
    expect(asked).toHaveLength(1);
    expect(after < low && after > (all[2] ?? '')).toBe(true);
    // Texts that are no ids bound them all the same.
    expect((await get(`filter=id=ge("${low.slice(0, 20)}")`)).ids).toEqual(
      all.filter((id) => id >= low.slice(0, 20)),
    );
    expect((await get(`filter=id=gt("${low}~")`)).ids).toEqual(all.slice(4));
    expect((await get('filter=id=ge("s")')).ids).toEqual(all);
    expect((await get('filter=id=ge("t")')).ids).toEqual([]);
    expect((await get('filter=id=ge("A")')).ids).toEqual(all);
    expect((await get('filter=id=le("A")')).ids).toEqual([]);
    expect((await get('filter=id=ge("s0000000000000000000000000")')).ids).toEqual(all);
    expect((await get('filter=id=ge("s8")')).ids).toEqual([]);
  });

  test('and once it holds no session of the page any more, no further', async () => {
    const { get, asked, all } = await many(12);
    await get(`filter=id=le("${all[4]}")&page[size]=2&page[after]=${all[0]}`);
    expect(asked).toHaveLength(1);
  });

  test('for the number of sessions of a user or a service, and lists them where that is not it', async () => {
    const { get, asked, manager } = await many(12);
    manager.count = async (query = {}) => {
      asked.push({ verb: 'count', ...query });
      return 2_000;
    };
    const counted = async (filter: string) => {
      const { total } = await get(`page[size]=1&${filter}`);
      return [total, asked.map(({ verb }) => verb).join()];
    };
    expect(await counted('')).toEqual([2_000, 'count,list']);
    expect(await counted('filter[attributes.user]="u1"')).toEqual([2_000, 'count,list']);
    expect(asked[0]).toMatchObject({ user: 'u1', service: undefined });
    expect(await counted('filter=/relationships/services/data/0/id="web"')).toEqual([2_000, 'count,list']);
    expect(await counted('filter[attributes.user]=or("u1","u2")')).toEqual([8, 'list']);
    expect(await counted('filter[attributes.user]="u1"&filter[attributes.port]=gt(1)')).toEqual([4, 'list']);
    expect(await counted('filter[attributes.user]=7')).toEqual([0, '']);
  });
});

describe('a share group', () => {
  test('is found by the first of its services at place 0, and by each of them anywhere', async () => {
    const f = await fixture();
    const transports = f.manager.services
      .get('web')
      ?.options.transports?.map((t) => ({ ...t, carrier: { ...t.carrier, cookie: 'all' } }));
    for (const name of ['shop', 'blog'])
      f.manager.service(name, { backend: f.backend, share: 'all', autoCreate: true, transports });
    const { id } = await f.start({ service: 'shop' });
    await f.start();
    const found = async (query: string) => {
      const { data, meta } = sessionsDocument.parse(
        await (await f.ask('GET', `/v1/sessions?page[size]=9&${query}`)).json(),
      );
      expect(meta.total).toBe(data.length);
      return data.map((row) => row.id);
    };
    expect(await found('filter=/relationships/services/data/0/id="blog"')).toEqual([id]);
    expect(await found('filter=/relationships/services/data/0/id="shop"')).toEqual([]);
    for (const name of ['blog', 'shop'])
      expect(await found(`filter[relationships.services.data[*].id]="${name}"`)).toEqual([id]);
    expect(await found('filter[relationships.services.data[*].id]="all"')).toEqual([]);
    expect(await found('filter[relationships.services.data[*].id]=and("blog",not("shop"))')).toEqual([id]);
  });
});
