import { memory } from '@sessionkit/backend-memory';
import type { SessionId, SessionManager } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, it } from 'vitest';
import { asctime, cutRange, renderArray } from '../src/draft.js';
import type { DnsResolver } from '../src/index.js';
import { BASIC, errorsOf, type Fixture, fixture } from './fixture.js';
import { connection, holds } from './holding.js';

type Row = Readonly<Record<string, unknown>>;

async function rowsOf(fx: Fixture, path: string): Promise<readonly Row[]> {
  const response = await fx.ask('GET', path);
  expect(response.status).toBe(200);
  return (await response.json()) as Row[];
}

/** A fixture with sessions in it; answers their ids, sorted. */
async function withSessions(count: number): Promise<{ fx: Fixture; ids: string[] }> {
  const fx = await fixture();
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push((await fx.start({ user: `user${i}` })).id);
  return { fx, ids: ids.sort() };
}

describe('the draft form', () => {
  it('shows a session flat, its time in the form of the draft', async () => {
    const fx = await fixture();
    const { id } = await fx.start({ user: 'alice' });
    await fx.environment.advance(4_200);
    const response = await fx.ask('GET', `/sessions/${id}`, { as: BASIC });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      address: '192.0.2.7',
      connected: 'Mon Jun  1 12:00:00 2026',
      id,
      idle: 4.2,
      service: '/services/web',
      state: 'Session ready for routing',
      user: 'alice',
    });
  });

  it('shows a session without a user, and one that is to be ended', async () => {
    const fx = await fixture();
    const { id } = await fx.start();
    expect((await fx.ask('DELETE', `/sessions/${id}?ttl=60`)).status).toBe(204);
    const [row] = await rowsOf(fx, '/sessions');
    expect(row).toMatchObject({ id, state: 'Stopping session' });
    expect(row).not.toHaveProperty('user');
  });

  it('lists all as a bare array, by id, written as one document', async () => {
    const { fx, ids } = await withSessions(3);
    const response = await fx.ask('GET', '/sessions/');
    const text = await response.text();
    expect(response.headers.get('content-type')).toBe('application/json');
    const rows = JSON.parse(text) as Row[];
    expect(rows.map(({ id }) => id)).toEqual(ids);
    expect(text).toBe(JSON.stringify(rows, null, 4));
    const compact = await fx.ask('GET', '/sessions?pretty=false');
    expect(await compact.text()).toBe(JSON.stringify(rows));
  });

  it('is an empty array when there are none', async () => {
    const fx = await fixture();
    expect(await (await fx.ask('GET', '/sessions')).text()).toBe('[]');
  });

  it('goes through pages of the store', async () => {
    const { fx, ids } = await withSessions(1_203);
    expect((await rowsOf(fx, '/sessions?fields=id')).map(({ id }) => id)).toEqual(ids);
    expect((await rowsOf(fx, '/sessions?range=998-1002')).map(({ id }) => id)).toEqual(ids.slice(998, 1_003));
    expect(await rowsOf(fx, '/sessions?range=1200-99999')).toHaveLength(3);
    expect(await rowsOf(fx, '/sessions?range=1203-1300')).toEqual([]);
  });

  it.each([
    ['0-0', [0, 1]],
    ['1-2', [1, 3]],
    ['02-3', [2, 4]],
    ['4-9', [4, 5]],
  ])('range=%s counts from zero and includes both ends', async (range, [from, to]) => {
    const { fx, ids } = await withSessions(5);
    expect((await rowsOf(fx, `/sessions?range=${range}`)).map(({ id }) => id)).toEqual(ids.slice(from, to));
  });

  it.each(['', '5', '5-', '-5', '2-1', 'a-b', '1-2-3', '1.0-2', ' 1-2', '1-99999999999999999999'])(
    'range=%j is a 400 that says how it is written',
    async (range) => {
      const fx = await fixture();
      const response = await fx.ask('GET', `/sessions?range=${encodeURIComponent(range)}`);
      expect(response.status).toBe(400);
      expect(await errorsOf(response)).toEqual([
        expect.stringMatching(/^range: must be two row numbers such as 10-20/),
      ]);
    },
  );

  it('asks the store for no more rows than the range has', async () => {
    const { fx } = await withSessions(30);
    const asked: unknown[] = [];
    const list = fx.manager.list.bind(fx.manager);
    Object.assign(fx.manager, {
      list: (query: Parameters<SessionManager['list']>[0]) => {
        asked.push(query?.limit);
        return list(query);
      },
    });
    await rowsOf(fx, '/sessions?range=3-9');
    expect(asked).toEqual([10]);
  });

  it.each([
    ['fields=id,user', ['id', 'user']],
    ['fields=user,id,user', ['id', 'user']],
    ['fields=id,secret,data', ['id']],
    ['fields=nothing', []],
    ['fields=Id', []],
    ['FIELDS=state', ['state']],
    ['fields=', ['address', 'connected', 'id', 'idle', 'service', 'state', 'user']],
    ['fields=,', ['address', 'connected', 'id', 'idle', 'service', 'state', 'user']],
  ])('%s shows those members', async (query, members) => {
    const { fx, ids } = await withSessions(1);
    const [row] = await rowsOf(fx, `/sessions?${query}`);
    expect(Object.keys(row ?? {})).toEqual(members);
    const single = (await (await fx.ask('GET', `/sessions/${ids[0]}?${query}`)).json()) as Row;
    expect(single).toEqual(row);
  });

  it('ends a session, at once and for good', async () => {
    const { fx, ids } = await withSessions(1);
    const response = await fx.ask('DELETE', `/sessions/${ids[0]}`);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect((await fx.ask('GET', `/sessions/${ids[0]}`)).status).toBe(404);
    expect((await fx.ask('DELETE', `/sessions/${ids[0]}`)).status).toBe(404);
    expect(await rowsOf(fx, '/sessions')).toEqual([]);
  });

  it('tells the connections of a session, with what it did over them', async () => {
    const { fx, ids } = await withSessions(2);
    const [id, other] = ids as [SessionId, SessionId];
    const path = `/sessions/${id}/connections`;
    expect(await rowsOf(fx, path)).toEqual([]);
    const connections = [connection('server1', 7), connection('a b', 9)];
    fx.manager.services.get('web')?.attach(holds({ connections, ioActivity: 1, buffered: 0 }, id));
    const rows = ['/servers/server1', '/servers/a%20b'].map((server) => ({
      role: 'Backend Request Handler',
      server,
      service: '/services/web',
      state: 'Connected',
      statistics: {
        buffered_writes: 3,
        high_water_events: 3,
        low_water_events: 2,
        read_bytes: 1_205,
        reads: 5,
        writes: 2,
        written_bytes: 310,
      },
    }));
    expect(await rowsOf(fx, path)).toEqual(rows);
    expect(await rowsOf(fx, `/sessions/${other}/connections`)).toEqual([]);
    expect(await rowsOf(fx, `${path}?range=1-5`)).toEqual(rows.slice(1));
    expect(await rowsOf(fx, `${path}?range=0-0&fields=state,server`)).toEqual([
      { server: '/servers/server1', state: 'Connected' },
    ]);
    expect((await fx.ask('GET', `${path}?range=x`)).status).toBe(400);
    const gone = 's01k6y3v9qxm2r8t4w7z5b1c0d3';
    expect((await fx.ask('GET', `/sessions/${gone}/connections`)).status).toBe(404);
  });

  it.each(['/sessions/1', '/sessions/nobody', '/sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3', '/Sessions'])(
    '%s is a 404 with a reason',
    async (path) => {
      const fx = await fixture();
      const response = await fx.ask('GET', path);
      expect(response.status).toBe(404);
      expect(await errorsOf(response)).toHaveLength(1);
    },
  );

  it('keeps the roles: a basic user looks, and ends nothing', async () => {
    const { fx, ids } = await withSessions(1);
    expect((await fx.ask('GET', '/sessions', { as: BASIC })).status).toBe(200);
    expect((await fx.ask('DELETE', `/sessions/${ids[0]}`, { as: BASIC })).status).toBe(401);
    expect((await fx.ask('GET', '/sessions', { as: null })).status).toBe(401);
    expect(await rowsOf(fx, '/sessions')).toHaveLength(1);
  });

  it('is a 503 when the store is down, and no empty list', async () => {
    const fx = await fixture();
    await fx.manager.close();
    for (const path of [
      '/sessions',
      '/sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3',
      '/sessions/s01k6y3v9qxm2r8t4w7z5b1c0d3/connections',
      '/sessions?range=0-1',
    ])
      expect((await fx.ask('GET', path)).status).toBe(503);
  });

  it('stops asking the store when the client goes', async () => {
    const { fx } = await withSessions(1_600);
    let pages = 0;
    const list = fx.manager.list.bind(fx.manager);
    Object.assign(fx.manager, {
      list: (query: Parameters<SessionManager['list']>[0]) => {
        pages++;
        return list(query);
      },
    });
    const reader = (await fx.ask('GET', '/sessions')).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pages).toBe(1);
  });

  it('names a service with a slash and a space so that the path leads to it', async () => {
    const fx = await fixture();
    const name = 'shop / two';
    fx.manager.service(name, {
      backend: memory({ now: () => fx.environment.now() }),
      transports: [cookie({ name: 'two' })],
      autoCreate: true,
    });
    await fx.start({ service: name });
    const [row] = await rowsOf(fx, '/sessions');
    expect(row?.service).toBe('/services/shop%20%2F%20two');
    expect((await fx.ask('GET', String(row?.service))).status).toBe(200);
  });

  it('has the session tags of /v1: a reader who has it already is told so', async () => {
    const { fx, ids } = await withSessions(1);
    const tag = (await fx.ask('GET', `/sessions/${ids[0]}`)).headers.get('etag') ?? '';
    expect(tag).not.toBe('');
    const again = await fx.ask('GET', `/sessions/${ids[0]}`, { headers: { 'if-none-match': tag } });
    expect(again.status).toBe(304);
  });
});

describe('paths without /v1', () => {
  it.each(['/services', '/services/web', '/servers', '/listeners', '/filters', '/maxscale'])(
    '%s answers as /v1 does, with links without it',
    async (path) => {
      const fx = await fixture();
      const versioned = await (await fx.ask('GET', `/v1${path}`)).text();
      const response = await fx.ask('GET', path);
      expect(response.status).toBe(200);
      const still = (text: string) => text.replace(/"(?:uptime|activated_at|started_at)": .*/g, '');
      expect(still(await response.text())).toBe(
        still(versioned).replaceAll('localhost:8989/v1/', 'localhost:8989/'),
      );
    },
  );

  it('what the draft has no form of its own for is that of /v1', async () => {
    const { fx, ids } = await withSessions(1);
    const related = await fx.ask('GET', `/sessions/${ids[0]}/relationships/services`);
    expect(await related.json()).toMatchObject({
      data: [{ id: 'web' }],
      links: { related: 'http://localhost:8989/services/' },
    });
    const body = '{"data":{"attributes":{"parameters":{"log_info":true}}}}';
    expect((await fx.ask('PATCH', `/sessions/${ids[0]}`, { body })).status).toBe(204);
    expect((await fx.ask('POST', `/sessions/${ids[0]}/restart`)).status).toBe(204);
  });

  it('is logged as what it is', async () => {
    const { fx, ids } = await withSessions(1);
    await fx.ask('GET', '/sessions?range=0-1&fields=id');
    await fx.ask('DELETE', `/sessions/${ids[0]}`);
    expect(fx.access.map(({ action, target, status }) => [action, target, status])).toEqual([
      ['draft.sessions.list', '/sessions', 200],
      ['sessions.end', `/sessions/${ids[0]}`, 204],
    ]);
  });
});

describe('rdns', () => {
  const resolver: DnsResolver = {
    reverse: async (address) => (address === '192.0.2.7' ? ['office.example'] : ['liar.example']),
    resolve4: async (name) => (name === 'office.example' ? ['192.0.2.7'] : ['203.0.113.1']),
    resolve6: async () => [],
  };

  it.each(['rdns=true', 'rdns=YES', 'RDNS=on', 'rdns=1'])(
    '%s shows confirmed names, in the list and in one',
    async (query) => {
      const fx = await fixture({ resolver });
      const one = await fx.start();
      const other = await fx.start({ client: { ip: '192.0.2.8' } });
      const list = (await (await fx.ask('GET', `/v1/sessions?${query}`)).json()) as {
        data: { id: string; attributes: { remote: string } }[];
      };
      const remotes = new Map(list.data.map(({ id, attributes }) => [id, attributes.remote]));
      expect(remotes.get(one.id)).toBe('office.example');
      expect(remotes.get(other.id)).toBe('192.0.2.8');
      const single = await fx.ask('GET', `/v1/sessions/${one.id}?${query}`);
      expect(await single.json()).toMatchObject({ data: { attributes: { remote: 'office.example' } } });
      const found = await fx.ask('GET', `/v1/sessions?${query}&filter=/attributes/remote="office.example"`);
      expect(((await found.json()) as { data: unknown[] }).data).toHaveLength(1);
    },
  );

  it.each(['', 'rdns=false', 'rdns=', 'rdns=maybe'])('%j asks no name server', async (query) => {
    const asked: string[] = [];
    const fx = await fixture({
      resolver: {
        ...resolver,
        reverse: async (address) => {
          asked.push(address);
          return [];
        },
      },
    });
    const { id } = await fx.start();
    const list = (await (await fx.ask('GET', `/v1/sessions?${query}`)).json()) as {
      data: { attributes: { remote: string } }[];
    };
    expect(list.data[0]?.attributes.remote).toBe('192.0.2.7');
    await fx.ask('GET', `/v1/sessions/${id}?${query}`);
    expect(asked).toEqual([]);
  });

  it('shows addresses when name servers say nothing, within the time that a request has for them', async () => {
    const fx = await fixture({ resolver: { ...resolver, reverse: () => new Promise(() => {}) } });
    for (let i = 0; i < 700; i++) await fx.start({ client: { ip: `10.0.${i >> 8}.${i & 255}` } });
    const answer = fx.ask('GET', '/v1/sessions?rdns=true').then((response) => response.text());
    for (let i = 0; i < 16; i++) {
      await fx.environment.advance(250);
      // What is not waiting for the clock takes its own time.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // The clock stands still from here on: nothing waits for it any more.
    expect((JSON.parse(await answer) as { data: unknown[] }).data).toHaveLength(700);
  });
});

describe('parts of the draft form', () => {
  it.each([
    [Date.UTC(2016, 7, 31, 3, 3, 12), 'Wed Aug 31 03:03:12 2016'],
    [Date.UTC(2021, 6, 6, 9, 51, 2, 999), 'Tue Jul  6 09:51:02 2021'],
    [0, 'Thu Jan  1 00:00:00 1970'],
  ])('%d is %s', (time, text) => {
    expect(asctime(time)).toBe(text);
  });

  it.each([true, false])('an array is written in pieces as in one, pretty: %s', async (pretty) => {
    for (const lists of [[], [[]], [[1], [2, { a: [] }]], [[], ['x'], [], [[[]], 'y'], []]]) {
      async function* source() {
        yield* lists;
      }
      let text = '';
      for await (const piece of renderArray(source(), pretty)) text += piece;
      expect(text).toBe(JSON.stringify(lists.flat(), null, pretty ? 4 : undefined));
    }
  });

  it('a range takes no more lists than it needs', async () => {
    let taken = 0;
    async function* source() {
      for (;;) {
        taken++;
        yield [taken * 2 - 2, taken * 2 - 1];
      }
    }
    const got: number[] = [];
    for await (const list of cutRange(source(), { from: 3, to: 5 })) got.push(...list);
    expect(got).toEqual([3, 4, 5]);
    expect(taken).toBe(3);
  });
});
