import { describe, expect, test } from 'vitest';
import { relationship } from '../src/schemas-resources.js';
import { sessionDocument, sessionsDocument } from '../src/schemas-sessions.js';
import { BASIC, errorsOf, fixture, patch } from './fixture.js';

interface Doc {
  data: { id: string; attributes: Record<string, unknown>; links: { self: string } };
  links: { self: string };
}

describe('a session', () => {
  test('is shown with its attributes, its service and links that name the host of the request', async () => {
    const { ask, start, environment } = await fixture();
    const { id } = await start({ user: 'alice' });
    await environment.advance(90_250);

    const response = await ask('GET', `/v1/sessions/${id}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      data: {
        attributes: {
          client: { cipher: 'TLS_AES_256_GCM_SHA384', connection_attributes: { user_agent: 'curl/8.5.0' } },
          connected: 'Mon, 01 Jun 2026 12:00:00 GMT',
          connections: [],
          data: { keys: ['cart'] },
          idle: 90.3,
          io_activity: 0,
          log: [],
          memory: { connection_buffers: { total: 0 }, data: 41, total: 41 },
          parameters: {
            log_debug: false,
            log_error: false,
            log_info: false,
            log_notice: false,
            log_warning: false,
          },
          port: 43050,
          queries: [],
          remote: '192.0.2.7',
          seconds_alive: 90.25,
          state: 'Session started',
          user: 'alice',
        },
        id,
        links: { self: `http://localhost:8989/v1/sessions/${id}/` },
        relationships: {
          services: {
            data: [{ id: 'web', type: 'services' }],
            links: {
              related: 'http://localhost:8989/v1/services/',
              self: `http://localhost:8989/v1/sessions/${id}/relationships/services/`,
            },
          },
        },
        type: 'sessions',
      },
      links: { self: `http://localhost:8989/v1/sessions/${id}/` },
      meta: { unknown: [] },
    });
  });

  test('without a user has no user in its document, which fits the schema of the route', async () => {
    const { ask, start } = await fixture();
    const { id } = await start();
    const document = sessionDocument.parse(await (await ask('GET', `/v1/sessions/${id}/`)).json());
    expect(document.data.attributes).not.toHaveProperty('user');
  });

  test('shows values of its data to those who may see what it did, and only when that is configured', async () => {
    const values = { cart: ['private to the application'] };
    for (const [showData, basicSeesActivity] of [
      [false, true],
      [true, false],
      [true, true],
    ]) {
      const { ask, start } = await fixture({ showData, basicSeesActivity });
      const { id } = await start();
      const seenBy = async (as?: typeof BASIC) => {
        const document = sessionDocument.parse(await (await ask('GET', `/v1/sessions/${id}`, { as })).json());
        return document.data.attributes?.data;
      };
      const [all, names] = [{ keys: ['cart'], values }, { keys: ['cart'] }];
      expect(await seenBy()).toEqual(showData ? all : names);
      expect(await seenBy(BASIC)).toEqual(showData && basicSeesActivity ? all : names);
      expect(await (await ask('GET', '/v1/sessions')).text()).not.toContain('private to the application');
    }
  });

  test('shows neither its data nor anything of its secret', async () => {
    const { ask, start, backend } = await fixture();
    const { id, token } = await start({ user: 'alice' });
    const [record] = await backend.load([id], new AbortController().signal);
    if (record === undefined || record instanceof Error) throw new Error('not stored');
    for (const path of [`/v1/sessions/${id}`, '/v1/sessions', `/v1/sessions/${id}/relationships/services`]) {
      const text = await (await ask('GET', path)).text();
      expect(text).toContain(id);
      expect(text).not.toContain('private to the application');
      expect(text).not.toContain(record.secretHash);
      expect(text).not.toContain(token.slice(28));
    }
  });

  test('has every one of its links answered', async () => {
    const { ask, start } = await fixture();
    const { id } = await start({ user: 'alice' });
    const seen = new Set<string>();
    const follow = async (url: string): Promise<void> => {
      if (seen.has(url)) return;
      seen.add(url);
      const response = await ask('GET', url.replace('http://localhost:8989', ''));
      expect([url, response.status]).toEqual([url, 200]);
      for (const [link] of (await response.text()).matchAll(/http:\/\/localhost:8989[^"]*/g))
        await follow(link);
    };
    await follow(`http://localhost:8989/v1/sessions/${id}/`);
    await follow('http://localhost:8989/v1/sessions/');
    for (const path of ['services/web/', 'sessions/', `sessions/${id}/relationships/services/`])
      expect(seen).toContain(`http://localhost:8989/v1/${path}`);
  });

  test('of a share group belongs to each service of the group', async () => {
    const { ask, start, manager, backend } = await fixture();
    manager.service('shop', {
      backend,
      share: 'all',
      autoCreate: true,
      transports: manager.services
        .get('web')
        ?.options.transports?.map((t) => ({ ...t, carrier: { ...t.carrier, cookie: 'all' } })),
    });
    manager.service('blog', {
      backend,
      share: 'all',
      transports: manager.services.get('shop')?.options.transports,
    });
    const { id } = await start({ service: 'shop' });
    const answer = await (await ask('GET', `/v1/sessions/${id}/relationships/services`)).json();
    expect(relationship.parse(answer).data.map((service) => service.id)).toEqual(['blog', 'shop']);
  });

  test('tells what its client said of itself to an admin, and to a basic user only when that is configured', async () => {
    for (const basicSeesActivity of [false, true]) {
      const { ask, start } = await fixture({ basicSeesActivity });
      const { id } = await start({ client: { attributes: { app: 'till 4' } } });
      const seenBy = async (as?: typeof BASIC) => {
        const { data } = (await (await ask('GET', `/v1/sessions/${id}`, { as })).json()) as Doc;
        return data.attributes.client;
      };
      const all = {
        cipher: 'TLS_AES_256_GCM_SHA384',
        connection_attributes: { app: 'till 4', user_agent: 'curl/8.5.0' },
      };
      expect(await seenBy()).toEqual(all);
      expect(await seenBy(BASIC)).toEqual(basicSeesActivity ? all : { cipher: 'TLS_AES_256_GCM_SHA384' });
    }
  });

  test('that is not there, or is over, is a 404', async () => {
    const { ask, start, environment } = await fixture();
    const { id } = await start();
    await environment.advance(3_600_001);
    const unknown = 's01k6y3v9qxm2r8t4w7z5b1c0d3';
    for (const each of [id, unknown]) {
      for (const [method, path, body] of [
        ['GET', `/v1/sessions/${each}`],
        ['GET', `/v1/sessions/${each}/relationships/services`],
        ['DELETE', `/v1/sessions/${each}`],
        ['DELETE', `/v1/sessions/${each}?ttl=5`],
        ['PATCH', `/v1/sessions/${each}`, patch({ log_info: true })],
        ['PATCH', `/v1/sessions/${each}`, patch({})],
      ] as const) {
        const response = await ask(method, path, { body });
        expect([method, path, response.status]).toEqual([method, path, 404]);
        expect(await errorsOf(response)).toEqual([`There is no living session ${each}.`]);
      }
    }
  });
});

describe('the list', () => {
  test('is empty without sessions', async () => {
    const { ask } = await fixture();
    const response = await ask('GET', '/v1/sessions');
    expect(response.status).toBe(200);
    const unknown = ['memory/data', 'memory/total'];
    const links = { self: 'http://localhost:8989/v1/sessions/' };
    const document = { data: [], links, meta: { unknown } };
    expect(await response.text()).toBe(JSON.stringify(document, null, 4));
    links.self += '?pretty=false';
    expect(await (await ask('GET', '/v1/sessions?pretty=false')).text()).toBe(JSON.stringify(document));
  });

  test('holds every living session once, sorted by id, over several pages of the store', async () => {
    const { ask, start, environment, manager } = await fixture();
    const ids: string[] = [];
    for (let i = 0; i < 250; i++) {
      ids.push((await start()).id);
      if (i % 50 === 0) await environment.advance(1_000);
    }
    const [gone = '', ended = ''] = ids.splice(20, 2);
    await ask('DELETE', `/v1/sessions/${gone}`);
    await ask('DELETE', `/v1/sessions/${ended}`);
    expect((await manager.list()).items).toHaveLength(100);

    for (const query of ['', '?pretty=no']) {
      const response = await ask('GET', `/v1/sessions${query}`);
      const text = await response.text();
      const document = sessionsDocument.parse(JSON.parse(text));
      expect(document.data.map((session) => session.id)).toEqual([...ids].sort());
      expect(text).toBe(JSON.stringify(JSON.parse(text), null, query === '' ? 4 : undefined));
    }
  });

  test('holds the same document of a session as the session itself, but for what its rows do not carry', async () => {
    const { ask, start } = await fixture();
    const { id } = await start({ user: 'alice' });
    const list = (await (await ask('GET', '/v1/sessions')).json()) as { data: unknown[] };
    const one = (await (await ask('GET', `/v1/sessions/${id}`)).json()) as Doc;
    const { data: _data, ...attributes } = one.data.attributes;
    const memory = { connection_buffers: { total: 0 } };
    expect(list.data).toEqual([{ ...one.data, attributes: { ...attributes, memory } }]);
  });

  test('sorts the keys of everything, also of what a client sent', async () => {
    const { ask, start } = await fixture();
    await start({ user: 'alice', client: { attributes: { zebra: '1', Alpha: '2', apple: '3' } } });
    const text = await (await ask('GET', '/v1/sessions?pretty=off')).text();
    const check = (value: unknown): void => {
      if (Array.isArray(value)) for (const item of value) check(item);
      else if (value !== null && typeof value === 'object') {
        expect(Object.keys(value)).toEqual(Object.keys(value).sort());
        for (const member of Object.values(value)) check(member);
      }
    };
    check(JSON.parse(text));
    expect(text).toContain('{"Alpha":"2","apple":"3","user_agent":"curl/8.5.0","zebra":"1"}');
  });

  test('fetches a page only when the client has taken the one before, and none after it has gone', async () => {
    const { ask, start, manager } = await fixture();
    for (let i = 0; i < 1_100; i++) await start();
    let pages = 0;
    const list = manager.list.bind(manager);
    manager.list = (query) => {
      pages++;
      return list(query);
    };
    // Long enough for a memory backend to answer what nobody should have asked for.
    const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
    const response = await ask('GET', '/v1/sessions');
    await settled();
    expect(pages).toBe(1);
    const reader = response.body?.getReader();
    // A page of 500 is sent in pieces of 50.
    for (let piece = 0; piece < 10; piece++) await reader?.read();
    await settled();
    expect(pages).toBe(1);
    await reader?.read();
    await settled();
    expect(pages).toBe(2);
    await reader?.cancel();
    await settled();
    expect(pages).toBe(2);
  });

  test('is cut, and never looks whole, when the store fails in the middle', async () => {
    const { ask, start, manager, environment } = await fixture();
    for (let i = 0; i < 600; i++) await start();
    const list = manager.list.bind(manager);
    manager.list = (query) => (query?.after === undefined ? list(query) : Promise.reject(new Error('gone')));
    const response = await ask('GET', '/v1/sessions');
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow('the answer cannot be finished');
    expect(environment.entries.at(-1)).toMatchObject({
      level: 'error',
      message: 'admin API: sessions.list was cut',
    });
  });
});

describe('ending a session', () => {
  test('answers 204 without a body, and the session is over at once', async () => {
    const { ask, start, manager, backend } = await fixture();
    const { id } = await start();
    const response = await ask('DELETE', `/v1/sessions/${id}?sync=false&pretty=false`);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(await manager.get(id)).toBeUndefined();
    const [record] = await backend.load([id], new AbortController().signal);
    expect(record).toMatchObject({ ended: { cause: 'killed', by: 'admin' } });
    expect((await ask('DELETE', `/v1/sessions/${id}`)).status).toBe(404);
  });

  test('with a ttl of N ends it N seconds later, and a later ttl does not put that off', async () => {
    const { ask, start, environment, manager } = await fixture();
    const { id } = await start();
    expect((await ask('DELETE', `/v1/sessions/${id}?ttl=10`)).status).toBe(204);
    expect((await ask('DELETE', `/v1/sessions/${id}?TTL=3600`)).status).toBe(204);
    const { data } = (await (await ask('GET', `/v1/sessions/${id}`)).json()) as Doc;
    expect(data.attributes.state).toBe('Stopping session');
    await environment.advance(9_999);
    expect(await manager.get(id)).toBeDefined();
    await environment.advance(2);
    expect(await manager.get(id)).toBeUndefined();
  });

  test('with a ttl of 0 ends it now', async () => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    expect((await ask('DELETE', `/v1/sessions/${id}?ttl=0`)).status).toBe(204);
    expect(await manager.get(id)).toBeUndefined();
  });

  test.each(['', 'x', '-1', '+1', '1.5', '1e3', '0x10', ' 5', '10000000000', '5s', '%00'])(
    'with a ttl of "%s" is a 400 that changes nothing',
    async (ttl) => {
      const { ask, start, manager } = await fixture();
      const { id } = await start();
      const response = await ask('DELETE', `/v1/sessions/${id}?ttl=${ttl}`);
      expect(response.status).toBe(400);
      expect(await errorsOf(response)).toEqual(['ttl: must be a whole number of seconds, at most 999999999']);
      expect(await manager.get(id)).toMatchObject({ killAt: undefined });
    },
  );

  test('of all at once is refused', async () => {
    const { ask, start, manager } = await fixture();
    const { id } = await start();
    const response = await ask('DELETE', '/v1/sessions');
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual([expect.stringContaining('preview')]);
    expect(await manager.get(id)).toBeDefined();
  });
});
