import { createSessionManager, type Exchange, type Filter } from '@sessionkit/session-core';
import { cookie } from '@sessionkit/transport-cookie';
import { describe, expect, onTestFinished, test } from 'vitest';
import { relationship } from '../src/schemas-resources.js';
import { errorsOf, fixture, openVisit, patch } from './fixture.js';

const filter: Filter = { type: 'quiet', open: () => ({ handle: (_exchange, next) => next(), close() {} }) };

async function one() {
  const names = ['cache', 'audit log', '42'];
  const f = await fixture({}, { filters: new Map(names.map((name) => [name, filter])) });
  const { id } = await f.start();
  const path = `/v1/sessions/${id}`;
  const stored = async () => (await f.manager.get(id))?.filters;
  return { ...f, id, path, stored };
}

const data = [{ id: 'cache', type: 'filters' }, { id: 'audit log' }];
const BODIES: readonly (readonly [string, string, unknown])[] = [
  ['its relationships', '', { data: { relationships: { filters: { data } } } }],
  [
    'the relationships among its attributes',
    '',
    { data: { attributes: { relationships: { filters: { data } } } } },
  ],
  ['its relationship itself', '/relationships/filters', { data }],
  [
    'both places alike',
    '',
    { data: { relationships: { filters: { data } }, attributes: { relationships: { filters: { data } } } } },
  ],
  [
    'another type and no id, as clients send it',
    '',
    { data: { type: 'services', relationships: { filters: { data } } } },
  ],
];

describe('the filters of a session', () => {
  test.each(BODIES)('are set at %s, in their order', async (_place, below, body) => {
    const { ask, path, stored } = await one();
    const response = await ask('PATCH', path + below, { body: JSON.stringify(body) });
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(await stored()).toEqual(['cache', 'audit log']);
  });

  test('are shown in its document and at their own address, whose links are answered', async () => {
    const { ask, path, id } = await one();
    const own = `http://localhost:8989/v1/sessions/${id}/relationships/filters/`;
    const links = { related: 'http://localhost:8989/v1/filters/', self: own };
    expect(await (await ask('GET', `${path}/relationships/filters`)).json()).toEqual({ data: [], links });
    expect(await (await ask('GET', path)).json()).not.toHaveProperty('data.relationships.filters');

    await ask('PATCH', `${path}/relationships/filters`, { body: JSON.stringify({ data }) });
    const shown = { data: data.map((each) => ({ id: each.id, type: 'filters' })), links };
    const answer = await (await ask('GET', `${path}/relationships/filters/`)).json();
    expect(relationship.parse(answer)).toEqual(shown);
    expect(await (await ask('GET', path)).json()).toMatchObject({
      data: { relationships: { filters: shown } },
    });
    expect((await ask('GET', '/v1/filters/')).status).toBe(200);
  });

  test('are all taken away by an empty list, which is not the same as none of its own', async () => {
    const { ask, path, stored } = await one();
    expect(await stored()).toBeUndefined();
    const body = JSON.stringify({ data: { relationships: { filters: { data: [] } } } });
    expect((await ask('PATCH', path, { body })).status).toBe(204);
    expect(await stored()).toEqual([]);
    expect((await ask('POST', `${path}/restart?reset=true`)).status).toBe(204);
    expect(await stored()).toBeUndefined();
  });

  test('may be a number to a client that takes a name for one', async () => {
    const { ask, path, stored } = await one();
    const body = '{"data":[{"id":42,"type":"filters"}]}';
    expect((await ask('PATCH', `${path}/relationships/filters`, { body })).status).toBe(204);
    expect(await stored()).toEqual(['42']);
  });

  test.each<[string, unknown, string]>([
    ['a filter that is not there', [{ id: 'cache' }, { id: 'nope' }], 'Not a valid filter: nope'],
    ['a number that names none', [{ id: 7 }], 'Not a valid filter: 7'],
    ['an empty name', [{ id: '' }], 'Not a valid filter: (not shown)'],
    ['what could be a secret', [{ id: 'x'.repeat(43) }], 'Not a valid filter: (not shown)'],
    ['no id', [{ type: 'filters' }], 'data.0.id: must be the name of a filter'],
    ['an object for an id', [{ id: {} }], 'data.0.id: must be the name of a filter'],
    ['a fraction', [{ id: 1.5 }], 'data.0.id: must be the name of a filter'],
    ['text in place of an object', ['cache'], 'data.0: '],
    ['an unknown member', [{ id: 'cache', name: 'x' }], "data.0: unknown name 'name'"],
    ['null', null, 'data: '],
    ['text', 'cache', 'data: '],
  ])('with %s are a 400 that changes nothing, log levels neither', async (_name, list, detail) => {
    const { ask, path, manager, id } = await one();
    const before = await manager.get(id);
    const own = await ask('PATCH', `${path}/relationships/filters`, { body: JSON.stringify({ data: list }) });
    expect(own.status).toBe(400);
    expect((await errorsOf(own)).join()).toContain(detail);
    const attributes = { parameters: { log_info: true } };
    const whole = JSON.stringify({ data: { attributes, relationships: { filters: { data: list } } } });
    const response = await ask('PATCH', path, { body: whole });
    expect(response.status).toBe(400);
    expect((await errorsOf(response)).join()).toContain(
      detail.replace(/^data/, 'data.relationships.filters.data'),
    );
    expect(await manager.get(id)).toEqual(before);
  });

  test('that stand in two places and differ are a 400', async () => {
    const { ask, path, stored } = await one();
    const body = {
      data: {
        attributes: { relationships: { filters: { data: [] } } },
        relationships: { filters: { data } },
      },
    };
    const response = await ask('PATCH', path, { body: JSON.stringify(body) });
    expect(response.status).toBe(400);
    expect(await errorsOf(response)).toEqual(['data: the filters stand in two places, and differ']);
    expect(await stored()).toBeUndefined();
  });

  test('that cannot be opened in a process are named in the session and in the list, and why', async () => {
    const full: Filter = {
      type: 'full',
      open: () => {
        throw new Error('the disk is full');
      },
    };
    const filters = new Map([
      ['cache', filter],
      ['audit log', full],
    ]);
    const { ask, start, manager, environment, backend } = await fixture({}, { filters });
    const other = createSessionManager({ environment });
    other.service('web', { backend: backend.share(), transports: [cookie({ name: 'web' })] });
    onTestFinished(() => other.close());
    const web = manager.services.get('web');
    const { id, token } = await start();
    const path = `/v1/sessions/${id}`;
    const give = (...names: readonly string[]) =>
      ask('PATCH', `${path}/relationships/filters`, {
        body: JSON.stringify({ data: names.map((name) => ({ id: name })) }),
      });
    await give('cache');
    const visit = await openVisit(manager, token);
    // As long as its request runs, the process has the filters of the session open.
    await web?.pass(visit, {} as Exchange, async () => {
      await give('cache', 'audit log');
      const pending = expect.stringContaining('the disk is full');
      await expect
        .poll(async () => (await ask('GET', path)).json())
        .toMatchObject({
          data: { attributes: { pending } },
        });
      expect(await (await ask('GET', '/v1/sessions')).json()).toMatchObject({
        data: [{ attributes: { pending } }],
      });
      // Another process learns of it.
      await environment.advance(1_000);
      expect((await other.holdings([id])).get(id)).toMatchObject([{ pending }]);
      await give('cache');
      await expect.poll(async () => (await ask('GET', path)).text()).not.toContain('the disk is full');
    });
    visit.close();
  });
});

describe('a restart', () => {
  test.each(['', '{}', 'anything'])('is a 204 with the body "%s" that says it is a form', async (body) => {
    const { ask, path, manager, id, environment } = await one();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await ask('POST', `${path}/restart?sync=false`, { body, headers });
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect((await manager.get(id))?.restartedAt).toBe(environment.now());
  });

  test('keeps what operators have set, and drops it by `reset`', async () => {
    const { ask, path, manager, id } = await one();
    await ask('PATCH', path, { body: patch({ log_info: true }) });
    await ask('PATCH', `${path}/relationships/filters`, { body: JSON.stringify({ data }) });
    const set = { parameters: { log_info: true }, filters: ['cache', 'audit log'] };
    for (const query of ['', '?reset=No', '?reset=0']) {
      expect((await ask('POST', `${path}/restart${query}`)).status).toBe(204);
      expect(await manager.get(id)).toMatchObject(set);
    }
    expect((await ask('POST', `${path}/restart?reset=YES`)).status).toBe(204);
    expect(await manager.get(id)).toMatchObject({ parameters: {}, filters: undefined });
  });

  test('of all restarts each, and resets them where that is asked', async () => {
    const { ask, path, start, manager, id, environment } = await one();
    const other = await start();
    await ask('PATCH', path, { body: patch({ log_info: true }) });
    await environment.advance(1_000);
    expect((await ask('POST', '/v1/sessions/restart/')).status).toBe(204);
    for (const each of [id, other.id]) expect((await manager.get(each))?.restartedAt).toBe(environment.now());
    expect((await manager.get(id))?.parameters).toEqual({ log_info: true });
    expect((await ask('POST', '/v1/sessions/restart?reset=true')).status).toBe(204);
    expect((await manager.get(id))?.parameters).toEqual({});
  });

  test('with a wrong or unknown parameter is a 400 that restarts nothing', async () => {
    const { ask, path, manager, id } = await one();
    for (const at of [`${path}/restart`, '/v1/sessions/restart']) {
      const wrong = await ask('POST', `${at}?reset=maybe`);
      expect([wrong.status, await errorsOf(wrong)]).toEqual([400, ['reset: must be yes or no']]);
      const unknown = await ask('POST', `${at}?rest=true`);
      expect([unknown.status, await errorsOf(unknown)]).toEqual([400, ["the query: unknown name 'rest'"]]);
    }
    expect((await manager.get(id))?.restartedAt).toBeUndefined();
  });

  test('of a session that is not there is a 404', async () => {
    const { ask } = await one();
    const id = 's01k6y3v9qxm2r8t4w7z5b1c0d3';
    const response = await ask('POST', `/v1/sessions/${id}/restart`);
    expect([response.status, await errorsOf(response)]).toEqual([404, [`There is no living session ${id}.`]]);
    expect((await ask('POST', '/v1/sessions/x/restart')).status).toBe(404);
  });

  test('is not for a user who may only look', async () => {
    const { ask, path, manager, id } = await one();
    const as = { name: 'watcher', password: 'only looks' };
    for (const at of [`${path}/restart`, '/v1/sessions/restart'])
      expect((await ask('POST', at, { as })).status).toBe(401);
    expect((await ask('PATCH', `${path}/relationships/filters`, { as, body: '{"data":[]}' })).status).toBe(
      401,
    );
    expect(await manager.get(id)).toMatchObject({ restartedAt: undefined, filters: undefined });
  });
});
